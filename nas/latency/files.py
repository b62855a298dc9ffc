"""Writing files whole."""

from __future__ import annotations

import os
from pathlib import Path

from nas.errors import NasError


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that a reader sees the old or the new one, never a part.

    Errors: `NasError` naming the file where it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise NasError(f"{path}: cannot be written: {error.strerror}") from None
