"""The handwritten digits that scikit-learn brings along: 1,797 grey images of 8x8 pixels."""

from __future__ import annotations

import numpy as np

from nas.data.dataset import DataSet, Images, split
from nas.data.registry import reader

VALIDATION_SHARE = 0.2  # a tenth of so few images would hardly tell two networks apart
HIGHEST = 16  # the data set's own white


@reader("digits", names=("digits",))
def read_digits(source: str, seed: int) -> DataSet:
    """`sklearn.datasets.load_digits` with its values of 0 to 16 as 0 to 255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / HIGHEST)).astype(np.uint8)[:, np.newaxis]
    images = Images(pixels, bunch.target.astype(np.int64))
    train, validation = split(images, VALIDATION_SHARE, seed)
    classes = tuple(str(name) for name in bunch.target_names)
    return DataSet(source, classes, train, validation, mirrored=False, seed=seed)
