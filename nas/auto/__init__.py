"""From a folder of images to a network on the device: everything else, one stage after another."""
