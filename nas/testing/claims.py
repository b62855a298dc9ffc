"""How a check fails."""

from __future__ import annotations


def claim(holds: bool, broken: str) -> None:
    """Nothing where it holds. Errors: `AssertionError` with what is `broken` where it does not."""
    if not holds:
        raise AssertionError(broken)
