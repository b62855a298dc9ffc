"""How a check fails."""

from __future__ import annotations


def claim(holds: bool, broken: str) -> None:
    """Checks a claim. Errors: `AssertionError` with what is `broken` where it does not hold."""
    if not holds:
        raise AssertionError(broken)
