"""Libraries that print from C and C++, silenced."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def silent() -> Iterator[None]:
    """A context in which what a library prints from C or C++ is not seen."""
    _flush()
    kept = [os.dup(stream) for stream in (1, 2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nothing, stream)
        yield
    finally:
        _flush()  # or it would be seen later: C keeps what is printed to a pipe
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)
            os.close(before)
        os.close(nothing)


def _flush() -> None:
    """Writes what C has printed."""
    with suppress(OSError, TypeError):  # where C's library has no such name
        ctypes.CDLL(None).fflush(None)
