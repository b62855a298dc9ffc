"""Measuring a device: what to time, here, over SSH or by a bundle."""
