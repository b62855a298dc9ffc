"""Images that are packed in a few large files, as samples of bytes and a label.

They are unpacked beside the cache, read as files are, and removed: what remains is decoded.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
from nas.data.parts import part_of, part_of_folders
from nas.data.reading import read
from nas.data.tree import hidden
from nas.data.understood import lines
from nas.support.errors import NasError
from nas.support.files import lock

PREFIX = "unpacked-"
NO_PART = "files of images without a class are left out"
NO_LABEL = "images without a label are left out"
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")


class Sample(NamedTuple):
    """An image file's `content` with the suffix of its kind, and its class's name, "" for none."""

    suffix: str
    label: str
    content: bytes


def packed_files(path: Path, suffix: str) -> list[Path]:
    """The files of that suffix: the path itself, or those in the folder or up to two below it."""
    if path.is_file():
        return [path] if path.suffix.lower() == suffix else []
    found = (file for depth in ("", "*/", "*/*/") for file in path.glob(f"{depth}*{suffix}"))
    return sorted(file for file in found if file.is_file() and not hidden(file.name))


def read_packed(
    source: str,
    seed: int,
    options: DataOptions | None,
    files: Sequence[Path],
    samples: Callable[[Path], Iterator[Sample]],
    without: str,
) -> DataSet:
    """The data set of the samples of each file; the part of a file is what its name says, else the
    folders above it, training where they say nothing. Errors: those of a folder of images;
    `without` is said of the first file where no sample has a label."""
    options = options or DataOptions()
    if options.split is not None:
        raise NasError(f"data set {source}: --split is for folders of images")
    try:
        with _folder() as folder:
            findings = Findings(folder)
            layout = _unpacked(files, samples, folder, Path(source), findings)
            if not layout.parts["train"]:
                raise NasError("; ".join((f"{files[0].name}: {without}", *findings.notes())))
            names = chosen(layout, options, findings)
            data = read(look(layout, names), names, options, findings, seed)
    except OSError as error:
        raise NasError(f"data set {source}: cannot be unpacked: {error.strerror}") from None
    except NasError as error:
        raise NasError(f"data set {source}: {error}") from None
    understood = lines(data, layout, Path(source))
    notes = (*data.notes, *findings.notes())
    return replace(data, source=source, understood=understood, notes=notes, options=options)


def _unpacked(
    files: Sequence[Path],
    samples: Callable[[Path], Iterator[Sample]],
    folder: Path,
    root: Path,
    findings: Findings,
) -> Layout:
    """The layout of the samples, each a file below `folder` as if what it is packed in were one."""
    root = root if root.is_dir() else root.parent
    parts: dict[Part, Classes] = {}
    sources: dict[Part, list[Path]] = {}
    for packed in files:
        place = folder / packed.relative_to(root)
        named = part_of(packed.stem)
        part = named.part if named else part_of_folders(packed, root)
        if part is None:
            findings.add(NO_PART, place)
            continue
        place.mkdir(parents=True)
        sources.setdefault(part, []).append(packed)
        for number, sample in enumerate(samples(packed)):
            suffix = sample.suffix.lower()
            path = place / f"{number}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
            if not sample.label:
                findings.add(NO_LABEL, path)
                continue
            path.write_bytes(sample.content)
            parts.setdefault(part, {}).setdefault(sample.label, []).append(path)
    return trained(Layout(parts, sources))


@contextmanager
def _folder() -> Iterator[Path]:
    """A new folder, removed in the end; so are those of processes that were killed."""
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _locked(root):  # nobody cleans up between the making of a folder and its lock
            for other in root.glob(f"{PREFIX}*"):
                with suppress(OSError), _locked(other, wait=False):
                    shutil.rmtree(other, ignore_errors=True)
            folder = Path(mkdtemp(prefix=PREFIX, dir=root))
            stack.enter_context(_locked(folder))
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
