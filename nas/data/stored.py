"""`Stored`: images in a file, of which only those are in memory that are being looked at."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.support.errors import NasError

HELD = 1 << 28  # bytes of images up to which a data set is held in memory
CHUNK = 1 << 22  # bytes of images that are read at once where all are looked at in turn

Index: TypeAlias = "slice | NDArray[np.integer] | NDArray[np.bool_]"


class Stored:
    """Images (N, C, H, W) of uint8 in a file, one after another; indexing reads them.

    It is indexed by its first axis as an array is. An array of indices or a slice gives an array of
    images, a number gives one image. `take` gives a part without reading it. Reading goes through
    the system's cache of files, so that images that fit in free memory are read from disk once and
    count as nobody's memory; a mapping's would count as the process's own.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        path: Path,
        image: tuple[int, int, int],
        rows: NDArray[np.integer] | int,
        file: int | None = None,
    ) -> None:
        """`image` is the shape of one; `rows` are the places in the file of those that count, or
        how many there are from its beginning; `file` is its descriptor, which this one closes,
        where it is open already. Errors: `NasError` where it cannot be opened."""
        self._path, self._image = path, image
        self._rows = np.arange(rows) if isinstance(rows, int) else rows
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if file is None else file
        except OSError as error:
            raise NasError(f"{path}: {error.strerror}") from None
        weakref.finalize(self, os.close, self._file)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of all images together: N, C, H, W."""
        return len(self._rows), *self._image

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | np.integer | Index) -> NDArray[np.uint8]:
        if isinstance(index, int | np.integer):
            row: NDArray[np.uint8] = self._read(self._rows[np.array([index])])[0]
            return row
        return self._read(self._rows[index])

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (image for chunk in chunks(self) for image in chunk)

    def __array__(
        self, dtype: np.dtype[np.uint8] | None = None, copy: bool | None = None
    ) -> NDArray[np.uint8]:
        array = self._read(self._rows)
        return array if dtype is None else array.astype(dtype, copy=False)

    def __reduce__(self) -> tuple[Callable[..., Stored], tuple[object, ...]]:
        return Stored, (self._path, self._image, self._rows)

    def take(self, index: Index) -> Stored:
        """The images at these indices, in their order, unread."""
        # The file may have lost its name: another process may have needed the room.
        return Stored(self._path, self._image, self._rows[index], os.dup(self._file))

    def _read(self, rows: NDArray[np.integer]) -> NDArray[np.uint8]:
        size = prod(self._image)
        pixels = np.empty((len(rows), *self._image), np.uint8)
        for image, row in zip(pixels.reshape(len(rows), size), rows.tolist(), strict=True):
            try:
                read = os.preadv(self._file, [image.data], row * size)
            except OSError as error:
                raise NasError(f"{self._path}: {error.strerror}") from None
            if read != size:
                raise NasError(f"{self._path}: cut off: remove it, and it is made again")
        return pixels


Pixels: TypeAlias = "NDArray[np.uint8] | Stored"


def chunks(pixels: NDArray[Any] | Stored) -> Iterator[NDArray[Any]]:
    """Yields all images in order, a few megabytes of them at a time."""
    each = max(1, CHUNK // max(1, prod(pixels.shape[1:])))
    for start in range(0, len(pixels), each):
        yield pixels[start : start + each]
