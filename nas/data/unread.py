"""What there is instead of a data set that can be read, and what to do about it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from nas.data.findings import shown_path
from nas.data.tables import read_table
from nas.data.tree import IMAGES, TABLES, hidden
from nas.support.errors import NasError

ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"}
KINDS = {
    ".mat": "a MATLAB file", ".npy": "a NumPy file", ".h5": "an HDF5 file",
    ".npz": "a NumPy file without train_images or x_train", ".hdf5": "an HDF5 file",
    ".bin": "a binary file", ".tfrecord": "a TFRecord file", ".tfrec": "a TFRecord file",
    ".arrow": "an Arrow file", ".mdb": "an LMDB file", ".pt": "a PyTorch file",
    ".pth": "a PyTorch file",
}  # fmt: skip
LOOKED_AT = 100  # files
DO = "write its images as files into a folder for each class"


def what_instead(path: Path) -> str | None:
    """A line about a path that no reader accepts, None where there is nothing that is known."""
    files = [path] if path.is_file() else sorted(islice(_files(path), LOOKED_AT))
    lines = (line for file in files if (line := _line(file, shown_path(file, path.parent))))
    return next(lines, None)


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not hidden(name)]
        yield from (Path(place) / name for name in names if not hidden(name))


def _line(file: Path, shown: str) -> str | None:
    suffix = file.suffix.lower()
    if suffix in ARCHIVES:
        return f"{shown} is an archive: unpack it, and give the folder"
    if suffix in TABLES:
        try:
            read_table(file)
        except NasError as error:
            return str(error)
        return None
    if suffix == ".npz" and not zipfile.is_zipfile(file):
        return f"{shown} is no whole .npz file: was it cut off?"
    suffixes = [s.lower().partition("-")[0] for s in file.suffixes]  # a.tfrecord-00000-of-00001
    first = next((s for s in suffixes if s in KINDS), None)
    if first:
        return f"{shown} is {KINDS[first]}, which is not read: {DO}"
    try:
        with file.open("rb") as opened:
            start = opened.read(2)
    except OSError as error:
        return f"{shown}: {error.strerror}"
    if start[:1] == b"\x80" and b"\1" < start[1:] <= b"\5":
        return f"{shown} is a pickle, which is code and never loaded: {DO}"
    if suffix in IMAGES:
        return f"{shown} is one image: give the folder of its data set"
    if _is_image(file):
        return f"{shown} is an image, and has no suffix of one such as .jpg"
    return None


def _is_image(file: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(file):
            return True
    except Exception:  # see `inspect`
        return False
