"""The reader of IDX files, the format of MNIST (LeCun, yann.lecun.com/exdb/mnist).

A file, plain or gzipped, has two zero bytes, the type of the values (8: unsigned bytes), the number
of dimensions, each dimension as a big-endian 32-bit number, then the values.
"""

from __future__ import annotations

import gzip
import os
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.arrays import data_set
from nas.data.dataset import DataSet, Images
from nas.data.options import Part
from nas.data.registry import reader
from nas.support.errors import NasError

UNSIGNED_BYTES = 8
# The folder of Debian's package `dataset-fashion-mnist`; the variable names another one.
FOLDERS = ("/usr/share/datasets",)
VARIABLE = "NAS_DATA"
NAMED = {
    "fashion-mnist": (
        "t-shirt/top", "trouser", "pullover", "dress", "coat",
        "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
}  # fmt: skip
TEST_NAMES = ("t10k", "test")


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes. Errors: `NasError` with the path and the rule."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise NasError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != UNSIGNED_BYTES or not 1 <= data[3] <= 4:
        raise NasError(f"{path}: no IDX file of unsigned bytes: it begins with {data[:4].hex()!r}")
    start = 4 + 4 * data[3]
    shape = tuple(int(n) for n in np.frombuffer(data[4:start], ">u4"))
    if len(shape) < data[3] or len(data) - start != prod(shape):
        text = "x".join(map(str, shape))
        raise NasError(f"{path}: {text} bytes are announced, {max(0, len(data) - start)} are there")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


def _file(folder: Path, part: str, what: str) -> Path | None:
    """The file of a part's images or labels, such as `t10k-images-idx3-ubyte.gz`, if it exists.

    Errors: `NasError` where there are those of several data sets.
    """
    found = {}
    for path in sorted(folder.glob(f"*{part}-{what}?idx*ubyte*"), reverse=True):
        if path.name.endswith(("ubyte", "ubyte.gz")) and path.is_file():
            found[path.name.partition(f"{part}-{what}")[0]] = path
    if len(found) > 1:
        raise NasError(
            f"data set {folder}: it holds several data sets: {', '.join(sorted(found))}: leave "
            "the files of one in a folder of their own"
        )
    return next(iter(found.values()), None)


def _place(folder: Path) -> Path | None:
    """The folder with the files: the one given, or one a level or two below (`MNIST/raw`)."""
    for pattern in ("", "*/", "*/*/"):
        places = {path.parent for path in folder.glob(f"{pattern}*train-images?idx*ubyte*")
                  if path.is_file()}  # fmt: skip
        if places:
            return min(places)
    return None


def _accepts(path: Path) -> bool:
    return path.is_dir() and _place(path) is not None


def _part(folder: Path, part: str) -> Images:
    arrays = []
    for what, dimensions in (("images", 3), ("labels", 1)):
        path = _file(folder, part, what)
        if path is None:
            raise NasError(f"data set {folder}: the file {part}-{what}-idx{dimensions}-ubyte lacks")
        array = read_idx(path)
        if array.ndim != dimensions:
            raise NasError(f"{path}: must have {dimensions} dimensions, not {array.ndim}")
        arrays.append(array)
    pixels, labels = arrays
    if len(pixels) != len(labels) or not len(labels):
        raise NasError(f"data set {folder}: {len(pixels)} {part} images, {len(labels)} labels")
    return Images(pixels[:, np.newaxis], labels.astype(np.int64))


def _folder(name: str) -> Path:
    """The folder of a data set known by name. Errors: `NasError` with the folders looked in."""
    own = os.environ.get(VARIABLE)
    folders = [Path(parent) / name for parent in ((own,) if own else ()) + FOLDERS]
    for folder in folders:
        if folder.is_dir() and _accepts(folder):
            return folder
    raise NasError(
        f"data set '{name}' is not in {' or '.join(map(str, folders))}: install Debian's package "
        f"dataset-{name}, or give the folder of its IDX files"
    )


@reader(
    "idx", names=tuple(NAMED), accepts=_accepts, takes="IDX files such as train-images-idx3-ubyte"
)
def read_folder(source: str, seed: int) -> DataSet:
    """Reads a folder with the IDX files of `train` and, if there are any, of `t10k` or `test`.

    Classes are the numbers that occur unless the data set is known by name.
    """
    folder = _folder(source) if source in NAMED else _place(Path(source)) or Path(source)
    parts: dict[Part, Images] = {"train": _part(folder, "train")}
    if name := next((n for n in TEST_NAMES if _file(folder, n, "images")), None):
        parts["test"] = _part(folder, name)
    # Other data sets may be like MNIST, whose digits would change.
    mirrored = folder.name in NAMED
    return data_set(folder, source, seed, parts, NAMED.get(folder.name), mirrored=mirrored)
