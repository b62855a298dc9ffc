"""Reading and writing files: a file is written whole or not at all, and an error is one line.

What is read is an ordinary file of a size that makes sense, and a name that a file holds of another
one is a name in the same folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from nas.support.errors import NasError, check_type, shown

MOST_BYTES = 1 << 28  # of a file that is text: a table of a hundred thousand rows is a tenth of it
LONGEST_NAME = 100
CHUNK = 1 << 20
NEAR = 0.75  # of how alike two names are, from 0 to 1
# What file systems answer that have no hard links or no locks: exFAT, CIFS, many of FUSE.
_UNSUPPORTED = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EMLINK}
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")

PART, FRESH_SECONDS = ".part", 2.0


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a temporary file beside `path`, syncs it to disk and renames it into place.

    Errors: `NasError` with the path and the system's reason.
    """
    data = content.encode() if isinstance(content, str) else content
    part = path.parent / f".{path.name}.{uuid4().hex[:8]}{PART}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clean_up(path)
        with part.open("xb") as file:
            lock(file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
    except OSError as error:
        raise NasError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink()


def rename_new(part: Path, path: Path) -> None:
    """Gives a file its name, which must be new: of processes that do so at once, one succeeds.

    Errors: `FileExistsError` where there is a file of that name; other `OSError`s.
    """
    try:
        os.link(part, path)  # unlike a rename it fails where the name is taken
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        with (path.parent / f".{path.name}.new").open("ab") as file:
            lock(file.fileno())
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            part.rename(path)
    else:
        part.unlink()


def lock(descriptor: int, *, wait: bool = True) -> None:
    """Locks an open file against other processes until it is closed, however the process ends.

    Where the file system has no locks nothing is locked: there only one process may write at a
    time. Errors: `BlockingIOError` where another has it and this one is not to `wait`; `OSError`.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def at_home(path: str) -> str:
    """The path with the user's home folder for a `~` that it begins with.

    A shell leaves it as it is in `--output=~/x`, and nothing replaces it in a file of options.
    """
    return os.path.expanduser(path)


def given_path(path: object, what: str) -> Path:
    """The path that a program gives as text or as a `Path`, with the home folder for a `~`.

    Errors: `NasError` for anything else.
    """
    check_type(path, what, "text or a Path", str, Path)
    return Path(at_home(str(path)))


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
    """The text of a file. Errors: those of `read_bytes`, and `NasError` where it is no UTF-8."""
    try:
        text = read_bytes(path, source).decode("utf-8")
    except UnicodeDecodeError:
        raise NasError(f"{source}: not UTF-8 text") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path | str, source: str, most: int | None = MOST_BYTES) -> bytes:
    """The content of an ordinary file of at most so many bytes, any number if `most` is None.

    Errors: `NasError` with the `source` and the reason: at once too for a device or a pipe, which
    would be read for ever or waited for.
    """
    with _opened(path, source) as descriptor:
        content = b"".join(_chunks(descriptor, most))
    if most is not None and len(content) > most:
        raise NasError(f"{source}: larger than the {most >> 10} KiB that such a file may have")
    return content


def check_file(path: Path | str, source: str) -> None:
    """Checks, before long work, that a file can be read. Errors: those of `read_bytes`."""
    with _opened(path, source):
        pass


@contextmanager
def _opened(path: Path | str, source: str) -> Iterator[int]:
    """The descriptor of an ordinary file. Errors: those of `read_bytes`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        near = _beside(Path(path)) if error.errno == errno.ENOENT else ""
        raise NasError(f"{source}: {error.strerror}{near}") from None
    except ValueError:  # a NUL byte, or what the file system's encoding does not have
        raise NasError(f"{source}: no name of a file") from None
    try:
        _check_ordinary(descriptor, source)
        yield descriptor
    except OSError as error:
        raise NasError(f"{source}: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _beside(path: Path) -> str:
    """The end of an error about a file that is not there: the one that is called nearly so."""
    with suppress(OSError):
        there = [name for name in os.listdir(path.parent) if not name.startswith(".")]
        if near := get_close_matches(path.name, there, n=1, cutoff=NEAR):
            return f"; did you mean '{path.with_name(near[0])}'?"
    return ""


def _chunks(descriptor: int, most: int | None) -> Iterator[bytes]:
    """Yields a file's content, no further than to see that it is more than `most` bytes. To ask for
    all at once would take the memory of all that is allowed."""
    read = 0
    while (most is None or read <= most) and (chunk := os.read(descriptor, CHUNK)):
        yield chunk
        read += len(chunk)


def _check_ordinary(descriptor: int, source: str) -> None:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        raise NasError(f"{source}: {os.strerror(errno.EISDIR)}")
    if not stat.S_ISREG(mode):
        raise NasError(f"{source}: no ordinary file, so it is not read")


def inside(folder: Path, name: str, source: str) -> Path:
    """The path of a file or folder that a stored `name` means: one in `folder` itself.

    It need not exist. Errors: `NasError` with the `source` where the name is no plain one, or where
    a link of that name leads out of the folder.
    """
    if not _PLAIN.fullmatch(name) or len(name) > LONGEST_NAME:
        raise NasError(f"{source}: {shown(name)} is no plain name of a file in {folder}")
    path = folder / name
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise NasError(f"{source}: {path} is a link that leads out of its folder")
    return path


def file_name(text: str) -> str:
    """A plain name for a file from any text: the text itself where it is one already.

    Others keep what they can of it, with the beginning of its SHA-256, so that two of them differ.

    >>> file_name("small-jetson"), file_name("../../evil")
    ('small-jetson', 'evil-0fbfd372')
    """
    if _PLAIN.fullmatch(text) and len(text) <= LONGEST_NAME:
        return text
    kept = re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-._+")[: LONGEST_NAME // 2] or "unnamed"
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kept}-{digest[:8]}"
