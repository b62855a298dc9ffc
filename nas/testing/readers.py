"""The contract of a data reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas.data import READERS, DataSet, Images, find_reader, load_data
from nas.resolution import sides
from nas.support.errors import one_line
from nas.testing.claims import claim, faults


def check_reader(name: str, source: str | Path, seed: int = 0) -> None:
    """Checks a registered reader on a data set that it is for.

    It is the one that reads `source`. Its images are of one size, of uint8; its
    labels are indices of its classes, each of which has training images; the same seed gives the
    same data, and the data set's own `source` finds it again. Errors: `AssertionError`; `NasError`
    for a name that is not registered, or a source that is not there.
    """
    READERS[name]
    used = find_reader(source).name
    claim(used == name, f"data reader '{name}': {source} is read by '{used}'")
    data = _loaded(source, seed)
    who = f"data reader '{name}' on {source}"
    distinct = len(set(data.classes)) == len(data.classes) >= 2
    claim(distinct, f"{who}: needs two or more classes of different names, not {data.classes}")
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    for part, images in parts.items():
        if images is not None:
            _check_images(images, data, f"{who}: {part}")
    missing = set(range(len(data.classes))) - set(data.train.labels.tolist())
    claim(not missing, f"{who}: no training image of {[data.classes[i] for i in sorted(missing)]}")
    claim(data.seed == seed, f"{who}: its seed is {data.seed}, not {seed}")
    again = _loaded(source, seed)
    claim(again.checksum == data.checksum, f"{who}: a second reading gives other images")
    sent = _loaded(data.source, data.seed)
    claim(sent.checksum == data.checksum, f"{who}: its source {data.source!r} gives other images")


def _loaded(source: str | Path, seed: int) -> DataSet:
    with faults():
        try:
            return load_data(source, seed)
        except OSError as error:
            raise AssertionError(f"data set {source}: {one_line(error)}") from error


def _check_images(images: Images, data: DataSet, where: str) -> None:
    pixels, labels = images
    claim(pixels.dtype == np.uint8, f"{where}: pixels are {pixels.dtype}, not uint8")
    claim(labels.dtype == np.int64, f"{where}: labels are {labels.dtype}, not int64")
    shape = (len(labels), data.channels, *sides(data.resolution))
    claim(pixels.shape == shape, f"{where}: pixels are of shape {pixels.shape}, not {shape}")
    claim(len(labels) > 0, f"{where}: has no image; leave a part that is not there None")
    low, high = int(labels.min()), int(labels.max())
    within = low >= 0 and high < len(data.classes)
    claim(within, f"{where}: labels from {low} to {high}, but {len(data.classes)} classes")
