"""Images that are packed in a few large files, as samples of bytes and a label.

They are unpacked beside the cache, read as files are, and removed: what remains is decoded.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from nas.data.cache import cache_folder
from nas.data.dataset import DataSet
from nas.data.findings import Findings
from nas.data.folder import chosen, look
from nas.data.layout import Classes, Layout, trained
from nas.data.options import DataOptions, Part
from nas.data.parts import part_of
from nas.data.reading import read
from nas.data.understood import lines
from nas.support.errors import NasError
from nas.support.files import lock

PREFIX = "unpacked-"
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")


class Sample(NamedTuple):
    """An image file's `content` with the suffix of its kind, the file that it is packed in, and its
    class's name."""

    packed: Path
    suffix: str
    label: str
    content: bytes


def packed_files(path: Path, suffix: str) -> list[Path]:
    """The files of that suffix: the path itself, or those in the folder or right below it."""
    if path.is_file():
        return [path] if path.suffix.lower() == suffix else []
    found = (*path.glob(f"*{suffix}"), *path.glob(f"*/*{suffix}")) if path.is_dir() else ()
    return sorted(file for file in found if file.is_file())


def read_packed(
    source: str, seed: int, options: DataOptions | None, samples: Iterable[Sample]
) -> DataSet:
    """The data set of the samples; the part of each is what the name of its file says, training
    where it says nothing. Errors: those of a folder of images."""
    options = options or DataOptions()
    if options.split is not None:
        raise NasError(f"data set {source}: --split is for folders of images")
    findings = Findings(Path(source))
    try:
        with _folder() as folder:
            layout = _unpacked(samples, folder)
            names = chosen(layout, options, findings)
            data = read(look(layout, names), names, options, findings, seed)
    except OSError as error:
        raise NasError(f"data set {source}: cannot be unpacked: {error.strerror}") from None
    except NasError as error:
        raise NasError(f"data set {source}: {error}") from None
    understood = lines(data, layout, Path(source))
    notes = (*data.notes, *findings.notes())
    return replace(data, source=source, understood=understood, notes=notes, options=options)


def _unpacked(samples: Iterable[Sample], folder: Path) -> Layout:
    parts: dict[Part, Classes] = {}
    sources: dict[Part, list[Path]] = {}
    for number, sample in enumerate(samples):
        named = part_of(sample.packed.stem)
        part: Part = (named.part if named else None) or "train"
        suffix = sample.suffix.lower()
        path = folder / f"{number}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        path.write_bytes(sample.content)
        parts.setdefault(part, {}).setdefault(sample.label, []).append(path)
        if sample.packed not in (files := sources.setdefault(part, [])):
            files.append(sample.packed)
    return trained(Layout(parts, sources))


@contextmanager
def _folder() -> Iterator[Path]:
    """A new folder, removed in the end; so are those of processes that were killed."""
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    for other in root.glob(f"{PREFIX}*"):
        with suppress(OSError), _locked(other, wait=False):
            shutil.rmtree(other, ignore_errors=True)
    folder = Path(mkdtemp(prefix=PREFIX, dir=root))
    with _locked(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        lock(descriptor, wait=wait)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
