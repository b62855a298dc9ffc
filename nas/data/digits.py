"""The reader of scikit-learn's handwritten digits: 1,797 grey images of 8x8 pixels."""

from __future__ import annotations

import numpy as np

from nas.data.dataset import DataSet, Images, split
from nas.data.registry import reader

VALIDATION_SHARE = 0.2  # a tenth of so few images would hardly tell two networks apart
HIGHEST = 16  # the data set's value of white


@reader("digits", names=("digits",))
def read_digits(source: str, seed: int) -> DataSet:
    """The images of `sklearn.datasets.load_digits`, their values of 0 to 16 scaled to 0 to 255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / HIGHEST)).astype(np.uint8)[:, np.newaxis]
    images = Images(pixels, bunch.target.astype(np.int64))
    train, validation = split(images, VALIDATION_SHARE, seed)
    classes = tuple(str(name) for name in bunch.target_names)
    return DataSet(source, classes, train, validation, mirrored=False, seed=seed)
