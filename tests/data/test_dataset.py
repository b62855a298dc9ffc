"""What a program puts into a `DataSet` is checked where it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nas
from nas.data import DataSet, Images
from nas.support.errors import NasError

PIXELS = np.zeros((8, 3, 6, 6), np.uint8)
LABELS = np.arange(8) % 4
GOOD = Images(PIXELS, LABELS)
CLASSES = ("a", "b", "c", "d")


def images(pixels: Any, labels: Any) -> Images:
    return Images(pixels, labels)


def made(
    train: Any = GOOD, validation: Any = GOOD, test: Any = None, classes: Any = CLASSES
) -> DataSet:
    return DataSet("mine", classes, train, validation, test)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"train": images(PIXELS, LABELS[:5])}, "train: labels must be .* 8 in all, not .*5,"),
        ({"train": images(PIXELS / 255, LABELS)}, "train: pixels must .* not float64 of shape"),
        ({"train": images(PIXELS[:, 0], LABELS)}, r"must be uint8 of shape \(N, C, H, W\), not"),
        ({"train": images(PIXELS.transpose(0, 2, 3, 1), LABELS)}, "channels come first"),
        ({"train": images(PIXELS, LABELS + 1)}, "labels must be 0 to 3, each a class, not 1 to 4"),
        ({"train": images(PIXELS, LABELS - 1)}, "labels must be 0 to 3, each a class, not -1 to 2"),
        ({"train": images(PIXELS, np.eye(4, dtype=int)[LABELS])}, "one whole number an image"),
        ({"train": images(PIXELS, LABELS / 1)}, "one whole number an image, 8 .* not float64"),
        ({"train": images(torch.zeros(8, 3, 6, 6), LABELS)}, "arrays of numpy, not tensor"),
        ({"train": images(PIXELS, LABELS.tolist())}, "must be arrays of numpy, not .0, 1, 2"),
        ({"train": (PIXELS, LABELS)}, r"train must be Images\(pixels, labels\)"),
        ({"validation": GOOD.take(np.arange(0))}, "validation: has no image"),
        ({"validation": None}, "validation must be Images"),
        ({"test": images(PIXELS[..., :5], LABELS)}, "training and test images differ in size"),
        ({"classes": (0, 1, 2, 3)}, "the name of a class must be text, not 0"),
        ({"classes": "abcd"}, "classes must be names, not 'abcd'"),
    ],
)
def test_what_is_no_data_set_is_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(NasError, match=f"^data set mine: .*{said}") as raised:
        made(**given)
    assert "\n" not in str(raised.value)


def test_a_study_of_arrays_says_how_to_keep_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options: Any = {"budgets": ["1M"], "space": "small", "trials": 1, "name": "mine"}
    with pytest.raises(NasError, match=r"'mine' was made in memory, .*np\.savez\(.mine\.npz"):
        nas.search("jetson", **options, data=made())
    assert list(tmp_path.iterdir()) == []
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    np.savez("mine.npz", train_images=pixels, train_labels=np.arange(40) % 4)
    assert nas.search("jetson", **options, data="mine.npz").space.settings.classes == 4  # type: ignore[attr-defined]


def test_labels_of_any_whole_numbers_are_the_same_data_set() -> None:
    small = made(train=images(PIXELS, LABELS.astype(np.int32)), classes=list(CLASSES))
    assert small.train.labels.dtype == np.int64
    assert small.checksum == made().checksum
    assert small.train.pixels is PIXELS
