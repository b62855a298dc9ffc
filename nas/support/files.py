"""Reading and writing files: a file is written whole or not at all, and an error is one line."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from nas.support.errors import NasError

PART, FRESH_SECONDS = ".part", 2.0


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a temporary file beside `path`, syncs it to disk and renames it into place.

    Errors: `NasError` with the path and the system's reason.
    """
    data = content.encode() if isinstance(content, str) else content
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clean_up(path)
        with NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=PART, delete=False
        ) as file:
            part = Path(file.name)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            part.chmod(0o666 & ~_umask())
            part.replace(path)
    except OSError as error:
        raise NasError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _clean_up(path: Path) -> None:
    """Removes what writers of this path left behind that were killed: a live one has a lock."""
    for entry in os.scandir(path.parent):
        name = entry.name
        if not (name.startswith(f".{path.name}.") and name.endswith(PART)):
            continue
        with suppress(OSError), open(entry.path, "rb") as file:
            # One that has just been made may not be locked yet.
            if time.time() - os.fstat(file.fileno()).st_mtime > FRESH_SECONDS:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)


def check_folder(path: Path) -> None:
    """Checks, before long work, that files can be written to a folder; it may not exist yet.

    Errors: `NasError` where the folder cannot be made or written to.
    """
    nearest = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not nearest.is_dir():
        raise NasError(f"{path} cannot be written: {nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise NasError(f"{path} cannot be written: no permission to write in {nearest}")


def read_text(path: Path, source: str) -> str:
    """The text of a file. Errors: `NasError` with the `source` and the system's reason."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise NasError(f"{source}: not UTF-8 text") from None
    except OSError as error:
        raise NasError(f"{source}: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
