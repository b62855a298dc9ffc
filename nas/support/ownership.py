"""A folder that one process at a time writes: its lock is the system's, and says who has it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nas.support.errors import NasError

LOCK = ".lock"


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """A context in which no other process owns the folder, which is made where there is none.

    The system lets go of the lock however its process ends, so none is ever stale; on a file
    system without locks nothing is kept apart. Errors: `NasError` with the owner's process and
    host, and where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _opened(folder)
    except OSError as error:
        raise NasError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        with suppress(OSError):
            os.unlink(folder / LOCK)
        os.close(descriptor)


def _opened(folder: Path) -> int:
    """The lock's file, locked."""
    while True:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 200).decode("utf-8", "replace")
            os.close(descriptor)
            who = "".join(c for c in owner if c.isprintable()) or "another process"
            raise NasError(
                f"{folder} is in use by {who}: wait for it to end, or choose another folder"
            ) from None
        except OSError:  # no locks here
            return descriptor
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # its owner removed it just now
