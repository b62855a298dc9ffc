"""`DataSet`: labelled images in memory, the result of every reader. It needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.support.errors import NasError

VALIDATION_SHARE = 0.1


class Images(NamedTuple):
    """Labelled images: `pixels` (N, C, H, W) of uint8; `labels` (N,) of int64, class indices."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def take(self, indices: NDArray[Any]) -> Images:
        """The images at these indices, in their order."""
        return Images(self.pixels[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set of square images of one size.

    `load_data` with `source` and `seed`, that of the split, gives the same data set again. Training
    uses `train` and `validation` alone; `test`, if there is one, is measured once, at the end.
    `mirrored` says that an image keeps its class when it is mirrored. Each of the `notes` is a line
    about what is wrong with some images.
    """

    source: str
    classes: tuple[str, ...]
    train: Images
    validation: Images
    test: Images | None = None
    mirrored: bool = True
    seed: int = 0
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        return int(self.train.pixels.shape[1])

    @property
    def resolution(self) -> int:
        """Height and width of the images as they are stored, in pixels."""
        return int(self.train.pixels.shape[2])

    @cached_property
    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The mean and the standard deviation of each channel over the training images, whose
        values count as 0 to 1."""
        # Counting the values is exact, and needs no copy of the images in floating point.
        values = np.arange(256) / 255
        means, deviations = [], []
        for channel in range(self.channels):
            counts = np.bincount(self.train.pixels[:, channel].ravel(), minlength=256)
            mean = float(counts @ values / counts.sum())
            variance = float(counts @ (values - mean) ** 2 / counts.sum())
            means.append(mean)
            deviations.append(max(variance**0.5, 1 / 255))
        return tuple(means), tuple(deviations)

    @cached_property
    def checksum(self) -> str:
        """The SHA-256 of every image, label and class name, as 64 hexadecimal digits."""
        digest = sha256(repr(self.classes).encode())
        for part in (self.train, self.validation, self.test or ()):
            for array in part:
                digest.update(repr(array.shape).encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def describe(self) -> str:
        """A line with the counts, the number of classes and the shape of an image."""
        parts = [f"{len(self.train.labels)} training", f"{len(self.validation.labels)} validation"]
        if self.test is not None:
            parts.append(f"{len(self.test.labels)} test")
        return (
            f"{self.source}: {', '.join(parts)} images of {len(self.classes)} classes, "
            f"{self.channels}x{self.resolution}x{self.resolution}"
        )


def split(images: Images, share: float, seed: int) -> tuple[Images, Images]:
    """Splits images in two; the second part has `share` of each class, and at least one image.

    Both parts keep the images' order. Errors: `NasError` for a class with a single image.
    """
    rng = np.random.default_rng(seed)
    second = np.zeros(len(images.labels), bool)
    for label in np.unique(images.labels):
        members = np.flatnonzero(images.labels == label)
        if len(members) < 2:
            raise NasError(f"class {label} has one image: a split needs two of each class")
        count = min(max(1, round(share * len(members))), len(members) - 1)
        second[rng.permutation(members)[:count]] = True
    return images.take(np.flatnonzero(~second)), images.take(np.flatnonzero(second))
