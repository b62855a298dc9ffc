"""How a check fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nas.support.errors import NasError


def claim(holds: bool, broken: str) -> None:
    """Checks a claim. Errors: `AssertionError` with what is `broken` where it does not hold."""
    if not holds:
        raise AssertionError(broken)


@contextmanager
def faults() -> Iterator[None]:
    """A context in which what nas refuses is a claim that does not hold. Errors:
    `AssertionError`."""
    try:
        yield
    except NasError as error:
        raise AssertionError(str(error)) from None
