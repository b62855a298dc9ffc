"""`DataSet`: labelled images, in memory or in a file; what readers give. It needs no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.data.options import PARTS, DataOptions
from nas.data.stored import Pixels, Stored, chunks
from nas.resolution import Resolution, resolution_of
from nas.support.errors import NasError, check_type

VALIDATION_SHARE = 0.1
COLOURS = (1, 3)  # channels of images that are grey, and of others


class Images(NamedTuple):
    """Labelled images: `pixels` (N, C, H, W) of uint8, an array, or `Stored` in a file and read by
    indexing; `labels` (N,) of int64, class indices."""

    pixels: Pixels
    labels: NDArray[np.int64]

    def take(self, indices: NDArray[Any]) -> Images:
        """The images at these indices, in their order."""
        pixels = self.pixels
        chosen = pixels.take(indices) if isinstance(pixels, Stored) else pixels[indices]
        return Images(chosen, self.labels[indices])


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set of images of one size.

    `load_data` with `source` and `seed`, that of the split, gives the same data set again. Training
    uses `train` and `validation` alone; `test`, if there is one, is measured once, at the end.
    `mirrored` says that an image keeps its class when it is mirrored. Each of the `notes` is a line
    about what is wrong with some images, each of `understood` about where a part comes from.

    `seeded` says that the validation images were split off the training images by the seed.
    `values` are the lowest and highest of images of more than eight bits, which became 0 and 255.
    `options` are what the user said of the data. `content` is a digest of the files they were read
    from, where there is one; the checksum is then no matter of how they are decoded.
    """

    source: str
    classes: tuple[str, ...]
    train: Images
    validation: Images
    test: Images | None = None
    mirrored: bool = True
    seed: int = 0
    notes: tuple[str, ...] = ()
    understood: tuple[str, ...] = ()
    seeded: bool = True
    values: tuple[float, float] | None = None
    options: DataOptions = field(default_factory=DataOptions)
    content: str | None = None

    def __post_init__(self) -> None:
        """Errors: `NasError` for what is none: other pixels, labels that are not the classes'."""
        where = f"data set {self.source}"
        check_type(self.classes, f"{where}: classes", "names", tuple, list)
        for name in self.classes:
            check_type(name, f"{where}: the name of a class", "text", str)
        object.__setattr__(self, "classes", tuple(self.classes))
        for part in PARTS:
            images: Images | None = getattr(self, part)
            if images is not None or part != "test":
                own = _checked(images, len(self.classes), f"{where}: {part}")
                object.__setattr__(self, part, own)
                if own.pixels.shape[1:] != self.train.pixels.shape[1:]:
                    raise NasError(f"{where}: training and {part} images differ in size")

    @property
    def channels(self) -> int:
        """The number of channels of an image: 1 for grey, 3 for RGB."""
        return int(self.train.pixels.shape[1])

    @property
    def resolution(self) -> Resolution:
        """Height and width of the images as they are stored, in pixels."""
        return resolution_of(*self.train.pixels.shape[2:])

    @cached_property
    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The mean and the standard deviation of each channel over the training images, whose
        values count as 0 to 1."""
        # Counting the values needs no copy of the images in floating point, and whole numbers are
        # the same to the last bit on every machine.
        totals = np.zeros((self.channels, 256), np.int64)
        for chunk in chunks(self.train.pixels):
            for channel in range(self.channels):
                totals[channel] += np.bincount(chunk[:, channel].ravel(), minlength=256)
        means, deviations = [], []
        for counts in totals.tolist():
            number = sum(counts)
            first = sum(count * value for value, count in enumerate(counts))
            second = sum(count * value**2 for value, count in enumerate(counts))
            means.append(first / (255 * number))
            variance = (number * second - first**2) / (255 * number) ** 2
            deviations.append(max(variance**0.5, 1 / 255))
        return tuple(means), tuple(deviations)

    @cached_property
    def checksum(self) -> str:
        """The SHA-256 of every image, label and class name, as 64 hexadecimal digits.

        It does not depend on where they are kept or on what the files are called.
        """
        if self.content is not None:
            return self.content
        parts = (self.train, self.validation, self.test)
        return sha256(repr(self.classes).encode() + digest(parts).encode()).hexdigest()

    def describe(self) -> str:
        """A line with the counts, the number of classes and the shape of an image."""
        parts = [f"{len(self.train.labels)} training", f"{len(self.validation.labels)} validation"]
        if self.test is not None:
            parts.append(f"{len(self.test.labels)} test")
        return (
            f"{self.source}: {', '.join(parts)} images of {len(self.classes)} classes, "
            f"{'x'.join(map(str, self.train.pixels.shape[1:]))}"
        )


def _checked(images: object, classes: int, where: str) -> Images:
    """A part of a data set, its labels of int64. Errors: `NasError` with the rule."""
    check_type(images, where, "Images(pixels, labels)", Images)
    assert isinstance(images, Images)
    pixels, labels = images
    for array in images:
        check_type(array, f"{where}: pixels and labels", "arrays of numpy", np.ndarray, Stored)
    if pixels.dtype != np.uint8 or len(pixels.shape) != 4:
        found = f"{pixels.dtype} of shape {pixels.shape}"
        raise NasError(f"{where}: pixels must be uint8 of shape (N, C, H, W), not {found}")
    if pixels.shape[1] not in COLOURS and pixels.shape[3] in COLOURS:
        raise NasError(f"{where}: channels come first, (N, C, H, W), not {pixels.shape}")
    if labels.dtype.kind not in "iu" or labels.shape != pixels.shape[:1]:
        rule, found = "one whole number an image", f"{labels.dtype} of shape {labels.shape}"
        raise NasError(f"{where}: labels must be {rule}, {len(pixels)} in all, not {found}")
    if not len(labels):
        raise NasError(f"{where}: has no image")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        rule = f"labels must be 0 to {classes - 1}, each a class"
        raise NasError(f"{where}: {rule}, not {low} to {high}")
    return Images(pixels, labels.astype(np.int64, copy=False))


def digest(parts: Iterable[Images | None]) -> str:
    """The SHA-256 of the images and labels of each part, as 64 hexadecimal digits."""
    checksum = sha256()
    for part in parts:
        for array in part or ():
            checksum.update(repr(array.shape).encode())
            for chunk in chunks(array):
                checksum.update(np.ascontiguousarray(chunk).data)
    return checksum.hexdigest()


def split(
    images: Images, share: float, seed: int, groups: NDArray[np.intp] | None = None
) -> tuple[Images, Images]:
    """Splits images in two; the second part has `share` of each class, and at least one image.

    Both parts keep the images' order. Images of a class that are of one of the `groups`, (N,), stay
    together. A class with a single image or group is in the first part alone.
    """
    rng = np.random.default_rng(seed)
    second = np.zeros(len(images.labels), bool)
    for label in np.unique(images.labels):
        members = np.flatnonzero(images.labels == label)
        own = members if groups is None else groups[members]
        names, sizes = np.unique(own, return_counts=True)
        if len(names) < 2:
            continue
        order = rng.permutation(len(names))
        wanted = min(max(1, round(share * len(members))), len(members) - 1)
        count = min(int(np.searchsorted(np.cumsum(sizes[order]), wanted)) + 1, len(names) - 1)
        second[members[np.isin(own, names[order[:count]])]] = True
    return images.take(np.flatnonzero(~second)), images.take(np.flatnonzero(second))
