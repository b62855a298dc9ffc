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

from nas.data.dataset import VALIDATION_SHARE, DataSet, Images, digest, split
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
    """The file of a part's images or labels, such as `t10k-images-idx3-ubyte.gz`, if it exists."""
    paths = sorted(folder.glob(f"*{part}-{what}?idx*ubyte*"))
    return next((p for p in paths if p.name.endswith(("ubyte", "ubyte.gz"))), None)


def _accepts(folder: Path) -> bool:
    return _file(folder, "train", "images") is not None


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

    A tenth of the training images, drawn by `seed`, is for validation. Classes are numbers unless
    the data set is known by name.
    """
    folder = _folder(source) if source in NAMED else Path(source)
    images = _part(folder, "train")
    name = next((n for n in TEST_NAMES if _file(folder, n, "images")), None)
    test = _part(folder, name) if name else None
    if test is not None and test.pixels.shape[1:] != images.pixels.shape[1:]:
        raise NasError(f"data set {folder}: training and test images differ in size")
    highest = int(max(part.labels.max() for part in (images, test) if part is not None))
    classes = NAMED.get(folder.name, tuple(str(i) for i in range(highest + 1)))
    if highest >= len(classes):
        raise NasError(f"data set {folder}: label {highest} is above {len(classes) - 1}")
    train, validation = split(images, VALIDATION_SHARE, seed)
    mirrored = folder.name in NAMED  # other data sets may be like MNIST, whose digits would change
    return DataSet(
        source, classes, train, validation, test, mirrored=mirrored, seed=seed,
        content=digest((train, validation, test)),  # without the names, which are those of a folder
    )  # fmt: skip
