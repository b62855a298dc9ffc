"""Decoded images on disk, for data sets that do not fit in memory: decoded once, by processes.

A file holds the images as `Stored` reads them, then what was odd about each, as JSON. Its name is a
digest of the image files and of what they are made into, so it is never out of date. It is written
under another name and renamed when it is whole; what a killed process leaves is removed by the next
one. The least recently used files are removed where all would take more than `limit` bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

from nas.data.decode import Form, decode
from nas.data.inspection import Inspected
from nas.data.stored import Stored
from nas.support.errors import NasError
from nas.support.files import PART, lock

FOLDER, GIBIBYTES = "NAS_CACHE", "NAS_CACHE_GIB"  # variables
DEFAULT_GIBIBYTES = 64.0
SUFFIX = ".pixels"
VERSION = 2  # of how images are decoded
BATCH = 64  # images that a process is asked for at once
MOST_PROCESSES = 32


class Decoded(NamedTuple):
    """What became of images: the `failed` ones by their places, and the notes about others."""

    failed: list[int]
    notes: list[tuple[int, str]]


def cache_folder() -> Path:
    """The folder of decoded images: `$NAS_CACHE`, else one in the user's folder of caches."""
    own, base = os.environ.get(FOLDER), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(base) if base else Path.home() / ".cache") / "hw-nas"


def limit() -> int:
    """How many bytes the decoded images may take: `$NAS_CACHE_GIB`, or 64 GiB."""
    text = os.environ.get(GIBIBYTES, "")
    try:
        gibibytes = float(text) if text else DEFAULT_GIBIBYTES
        return int(gibibytes * 2**30)
    except (ValueError, OverflowError):
        raise NasError(f"{GIBIBYTES} {text!r:.40}: must be a number of GiB, as in 64") from None


def stored(images: Sequence[Inspected], form: Form) -> tuple[Stored, Decoded]:
    """The images in the cache, decoded unless they are there; those that failed are black.

    Errors: `NasError` where they take more than the cache may, or cannot be written.
    """
    size = len(images) * prod(form.shape)
    folder = cache_folder()
    path = folder / f"{_key(images, form)}{SUFFIX}"
    try:
        with _opened(path, images, form, size) as file:
            os.utime(file.fileno())
            file.seek(size)
            text = file.read()
            descriptor = os.dup(file.fileno())
    except OSError as error:
        raise NasError(
            f"decoded images cannot be kept in {folder}: {error.strerror} ({FOLDER} names another "
            "folder)"
        ) from None
    there = Stored(path, form.shape, len(images), descriptor)
    try:
        return there, _decoded(text)
    except (ValueError, TypeError):
        raise NasError(f"{path}: damaged: remove it, and it is made again") from None


def _opened(path: Path, images: Sequence[Inspected], form: Form, size: int) -> IO[bytes]:
    """The file of the images, which is made where there is none; so it is where another process
    that needs the room removes it before it is opened."""
    while True:
        with suppress(FileNotFoundError):
            return path.open("rb")
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_room(path.parent, size, path)
        _write(path, images, form, size)


def _decoded(text: str | bytes) -> Decoded:
    failed, notes = json.loads(text)
    return Decoded(failed, [(row, what) for row, what in notes])


def _key(images: Sequence[Inspected], form: Form) -> str:
    digest = sha256(repr((VERSION, form)).encode())
    for image in images:
        digest.update(image.digest)
    return digest.hexdigest()


def _make_room(folder: Path, size: int, path: Path) -> None:
    """Removes what killed writers left and what was used longest ago. Whoever has a file open still
    reads it."""
    most = limit()
    if size > most:
        raise NasError(
            f"its decoded images take {size / 2**30:.1f} GiB, more than the {most / 2**30:.3g} GiB "
            f"that {folder} may hold: {GIBIBYTES} allows more"
        )
    for part in folder.glob(f"*{SUFFIX}{PART}"):
        if part != path.with_name(path.name + PART):
            with suppress(OSError), part.open("rb+") as file:
                lock(file.fileno(), wait=False)
                part.unlink()
    kept = sorted(
        ((stat.st_mtime, stat.st_size, other) for other in folder.glob(f"*{SUFFIX}")
         if (stat := _stat(other))), reverse=True,
    )  # fmt: skip
    total = size
    for _, bytes_of, other in kept:
        total += bytes_of
        if total > most:
            other.unlink(missing_ok=True)


def _stat(path: Path) -> os.stat_result | None:
    """What the system says of a file; None where another process has just removed it."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _write(path: Path, images: Sequence[Inspected], form: Form, size: int) -> None:
    """Decodes the images into the file, unless another process that does so is waited for."""
    part = path.with_name(path.name + PART)
    with part.open("ab") as file:
        lock(file.fileno())
        if not (path.exists() or os.fstat(file.fileno()).st_nlink):
            _write(path, images, form, size)  # who had the lock has failed and removed it
            return
        try:
            if path.exists():
                return
            file.truncate(0)
            os.posix_fallocate(file.fileno(), 0, max(size, 1))  # a full disk shows at once
            told = _decode_all(part, images, form)
            os.truncate(part, size)
            file.write(json.dumps(told).encode())
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _decode_all(part: Path, images: Sequence[Inspected], form: Form) -> Decoded:
    jobs = [(row, str(image.path)) for row, image in enumerate(images)]
    batches = [jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH)]
    processes = min(len(os.sched_getaffinity(0)), len(batches), MOST_PROCESSES)
    if processes < 2:
        return decode_into(part, form, jobs)
    told = Decoded([], [])
    with _decoders(part, form, processes) as decoders:
        # Two batches are under way for each process, so that none waits for this one.
        for i in range(len(batches) + 2 * processes):
            decoder = decoders[i % processes]
            if 0 <= i - 2 * processes < len(batches):
                _add(told, _answer(decoder))
            if i < len(batches):
                _ask(decoder, batches[i])
    # Only this process may have the plugins of Pillow that some need.
    again = decode_into(part, form, [jobs[row] for row in told.failed])
    return Decoded(again.failed, sorted({*told.notes, *again.notes}))


def _add(told: Decoded, more: Decoded) -> None:
    told.failed.extend(more.failed)
    told.notes.extend(more.notes)


def decode_into(part: Path, form: Form, jobs: Sequence[tuple[int, str]]) -> Decoded:
    """Decodes image files, each with its place, into the file."""
    size = prod(form.shape)
    told = Decoded([], [])
    with part.open("rb+", buffering=0) as file:
        for row, path in jobs:
            notes: list[str] = []
            try:
                pixels = decode(Path(path), form, notes)
            except Exception:  # see `inspect`
                told.failed.append(row)
                continue
            os.pwrite(file.fileno(), pixels.tobytes(), row * size)
            told.notes.extend((row, note) for note in notes)
    return told


# A process of multiprocessing would import the user's script, which may begin the work anew.
_SERVE = "from nas.data.cache import serve; serve()"
Decoder = subprocess.Popen[str]


@contextmanager
def _decoders(part: Path, form: Form, count: int) -> Iterator[list[Decoder]]:
    """Processes that decode into the file, killed in the end."""
    about = json.dumps([str(part), form.side, form.grey, form.values])
    decoders: list[Decoder] = []
    try:
        for _ in range(count):
            decoder = subprocess.Popen(
                [sys.executable, "-c", _SERVE],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )  # fmt: skip
            decoders.append(decoder)
            _send(decoder.stdin, about)
        yield decoders
    finally:
        for decoder in decoders:
            decoder.kill()
            decoder.communicate()


def _ask(decoder: Decoder, jobs: list[tuple[int, str]]) -> None:
    _send(decoder.stdin, json.dumps(jobs))


def _answer(decoder: Decoder) -> Decoded:
    assert decoder.stdout is not None
    line = decoder.stdout.readline()
    if not line:
        raise NasError("a process that decodes images was killed: there may be too little memory")
    return _decoded(line)


def _send(pipe: IO[str] | None, line: str) -> None:
    assert pipe is not None
    with suppress(BrokenPipeError):  # the answer that lacks says so
        pipe.write(line + "\n")
        pipe.flush()


def serve() -> None:
    """The loop of a process that decodes, until its input ends: it outlives nobody."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is its owner's
    part, side, grey, values = json.loads(sys.stdin.readline())
    form = Form(side, grey, None if values is None else (values[0], values[1]))
    for line in sys.stdin:
        told = decode_into(Path(part), form, json.loads(line))
        print(json.dumps(told), flush=True)
