"""Data sets of arrays, and the reader of `.npz` files.

MedMNIST's hold train_images, train_labels, val_images, val_labels, test_images and test_labels;
Keras' mnist.npz x_train, y_train, x_test and y_test.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.dataset import VALIDATION_SHARE, DataSet, Images, digest, split
from nas.data.options import PARTS, Part
from nas.data.registry import reader
from nas.support.errors import NasError, one_line

NAMES = (("{}_images", "{}_labels"), ("x_{}", "y_{}"))


def data_set(
    where: str | Path,
    source: str,
    seed: int,
    parts: dict[Part, Images],
    classes: tuple[str, ...] | None = None,
    *,
    mirrored: bool = False,
) -> DataSet:
    """The data set of these parts; without `classes` they are the numbers that are labels.

    A tenth of the training images, drawn by `seed`, is for validation if there are no others.
    Errors: `NasError`, which names `where`, for labels that are no classes' and sizes that differ.
    """
    if 0 in parts["train"].pixels.shape[2:]:
        height, width = parts["train"].pixels.shape[2:]
        raise NasError(f"data set {where}: its images are empty: {height}x{width}")
    numbers = np.unique(parts["train"].labels) if classes is None else np.arange(len(classes))
    for part, images in parts.items():
        if images.pixels.shape[1:] != parts["train"].pixels.shape[1:]:
            raise NasError(f"data set {where}: training and {part} images differ in size")
        if unknown := np.setdiff1d(images.labels, numbers).tolist():
            known = f"the {len(numbers)} classes, {numbers[0]} to {numbers[-1]}"
            raise NasError(f"data set {where}: label {unknown[0]} of {part} is none of {known}")
        labels = np.searchsorted(numbers, images.labels).astype(np.int64)
        parts[part] = images._replace(labels=labels)
    train, validation, test = (parts.get(part) for part in PARTS)
    assert train is not None
    seeded = validation is None
    if validation is None:
        train, validation = split(train, VALIDATION_SHARE, seed)
    return DataSet(
        source, classes or tuple(map(str, numbers.tolist())), train, validation, test,
        mirrored=mirrored, seed=seed, seeded=seeded,
        content=digest((train, validation, test)),  # without the names, which are those of a folder
    )  # fmt: skip


def _files(path: Path) -> list[Path]:
    """The `.npz` files with arrays of these names that a path is or a folder holds."""
    found = [path] if path.is_file() else sorted(path.glob("*"))
    return [file for file in found if file.suffix.lower() == ".npz" and _is_one(file)]


def _is_one(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as held:
            names = held.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return any(f"{images.format('train')}.npy" in names for images, _ in NAMES)


@reader(
    "arrays",
    accepts=lambda path: bool(_files(path)),
    takes="an .npz file of train_images, train_labels, … or x_train, y_train, …",
)
def read_npz(source: str, seed: int) -> DataSet:
    """The images of an `.npz` file. Errors: `NasError` with the array and the rule."""
    path, *others = _files(Path(source)) or [Path(source)]
    if others:
        found = ", ".join(file.name for file in (path, *others))
        raise NasError(f"data set {source}: it holds several data sets: give one of {found}")
    parts: dict[Part, Images] = {}
    try:
        with np.load(path, allow_pickle=False) as held:
            for part in PARTS:
                words = ("val", "valid", "validation") if part == "validation" else (part,)
                for names in ([n.format(w) for n in pair] for pair in NAMES for w in words):
                    if all(name in held for name in names):
                        pixels, labels = (held[name] for name in names)
                        parts[part] = _images(path, names, pixels, labels)
    except NasError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        text = one_line(error)[:80]
        if "allow_pickle" in text:
            text = "it holds pickled objects, which are code and never loaded"
        raise NasError(f"data set {path}: {text}") from None
    if "train" not in parts:
        raise NasError(f"data set {path}: needs train_images and train_labels, or x_train, y_train")
    return data_set(path, source, seed, parts)


def _images(path: Path, names: list[str], pixels: NDArray[Any], labels: NDArray[Any]) -> Images:
    if pixels.ndim == 3:
        pixels = pixels[..., np.newaxis]
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or pixels.shape[-1] not in (1, 3):
        raise NasError(
            f"data set {path}: {names[0]} must be (N, H, W) or (N, H, W, 3) of uint8, not "
            f"{pixels.shape} of {pixels.dtype}"
        )
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise NasError(
            f"data set {path}: {names[1]} gives an image several labels: one class an image is "
            "needed"
        )
    if not len(pixels):
        raise NasError(f"data set {path}: {names[0]} is empty: leave it out")
    if labels.dtype.kind not in "iu" or labels.size != len(pixels):
        raise NasError(
            f"data set {path}: {names[1]} must be {len(pixels)} whole numbers, not {labels.size} "
            f"of {labels.dtype}"
        )
    if labels.size and labels.max() > np.iinfo(np.int64).max:
        raise NasError(f"data set {path}: label {labels.max()} is above {np.iinfo(np.int64).max}")
    channels_first = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return Images(channels_first, labels.ravel().astype(np.int64))
