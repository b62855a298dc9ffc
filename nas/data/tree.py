"""A folder of files as a tree of `Folder`: its images, its tables, and what is none of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nas.data.findings import Findings
from nas.support.errors import NasError

# What a camera, a scanner or a data set's author calls an image, whether or not Pillow reads it.
IMAGES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".apng", ".bmp", ".dib", ".webp", ".gif",
    ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".pnm", ".pfm", ".tga", ".jp2", ".j2k", ".jpx",
    ".avif", ".avifs", ".heic", ".heif", ".hif", ".jxl", ".mpo", ".qoi", ".pcx", ".dng", ".cr2",
    ".nef", ".arw", ".dcm", ".svg", ".psd", ".ico",
}  # fmt: skip
TABLES = {".csv", ".tsv", ".jsonl", ".txt"}
MOST_TEXTS = 16  # text files in a folder; more of them belong to an image each
# Folders that systems and tools make beside a user's own. Names with a dot in front are hidden too.
SYSTEM = {
    "__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found",
    "__pycache__", "@recycle", "@tmp", "venv", "node_modules", "site-packages",
}  # fmt: skip
DEEPEST = 64


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder: those within it, and its own images (regular files by their suffix) and tables."""

    path: Path
    folders: tuple[Folder, ...] = ()
    images: tuple[Path, ...] = ()
    tables: tuple[Path, ...] = ()

    @cached_property
    def count(self) -> int:
        """The number of images in it and in everything within it."""
        return len(self.images) + sum(folder.count for folder in self.folders)

    @cached_property
    def holding(self) -> tuple[Folder, ...]:
        """The folders within it that hold images, however deep."""
        return tuple(folder for folder in self.folders if folder.count)

    def everything(self) -> Iterator[Path]:
        """The images in it and in everything within it."""
        yield from self.images
        for folder in self.folders:
            yield from folder.everything()

    def walk(self) -> Iterator[Folder]:
        """Itself and every folder within it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()


def scan(root: Path, findings: Findings) -> Folder:
    """The tree under `root`, without hidden folders and what nas itself has written there.

    Links are followed, but never into a folder that they are in. What cannot be looked at is noted.
    """
    return _scan(root, findings, (os.path.realpath(root),)) or Folder(root)


def holds_images(root: Path) -> bool:
    """Whether there is an image under `root`; stops at the first."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not hidden(name)]
        if any(_suffix(name) in IMAGES and not hidden(name) for name in files):
            return True
        if any((Path(folder) / name).is_symlink() for name in folders):
            return True
    return False


def check_no_images(output: Path) -> None:
    """Checks that there are no images in a folder that nas is going to write to: it would be left
    out of the data from then on. Errors: `NasError`."""
    if output.is_dir() and scan(output, Findings(output)).count:
        raise NasError(f"{output} holds images: choose another folder, so that they stay data")


def hidden(name: str) -> bool:
    """Whether a file or folder of that name is none of the user's data."""
    return name.startswith(".") or name.casefold() in SYSTEM


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _scan(folder: Path, findings: Findings, above: tuple[str, ...]) -> Folder | None:
    """The tree of a folder; None, and why, where it is left out."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        findings.add("folders that cannot be opened are left out", folder)
        return None
    if len(above) > 1 and any(_own(entry.name) for entry in entries):
        findings.add("what nas has written is left out", folder)
        return None
    folders: list[Folder] = []
    images: list[Path] = []
    tables: list[Path] = []
    for entry in entries:
        path = folder / entry.name
        suffix = _suffix(entry.name)
        if hidden(entry.name):
            if _is(entry, folder=True):
                findings.add("hidden folders are left out", path)
            elif suffix in IMAGES:
                findings.add("hidden files are left out", path)
        elif _is(entry, folder=True):
            if (real := os.path.realpath(path)) in above:
                findings.add("links to a folder that they are in are left out", path)
            elif len(above) == DEEPEST:
                findings.add(f"folders over {DEEPEST} deep are left out", path)
            elif inner := _scan(path, findings, (*above, real)):
                folders.append(inner)
        elif suffix in IMAGES | TABLES:
            # A broken link stays among the images: it is counted as one that cannot be read.
            if not (_is(entry, folder=False) or not os.path.exists(path)):
                findings.add("what is no regular file is left out", path)
            else:
                (images if suffix in IMAGES else tables).append(path)
    others = [table for table in tables if _suffix(table.name) != ".txt"]
    if len(tables) - len(others) > MOST_TEXTS:
        tables = others
    return Folder(folder, tuple(folders), tuple(images), tuple(tables))


def _is(entry: os.DirEntry[str], folder: bool) -> bool:
    try:
        return entry.is_dir() if folder else entry.is_file()
    except OSError:  # such as a link to itself
        return False


def _own(name: str) -> bool:
    """Whether a file is one by which a folder of studies, finalists, a training or a result is
    known."""
    return name in ("training.json", "auto.json") or name.endswith(".journal")
