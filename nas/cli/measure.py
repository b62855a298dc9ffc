"""`nas measure`."""

from __future__ import annotations


def measure() -> None:
    """Time this machine's kernels, and make a target of it."""
