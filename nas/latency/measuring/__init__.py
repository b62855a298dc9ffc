"""Measuring a device: choosing what to time, and timing it here, over SSH or with a bundle."""
