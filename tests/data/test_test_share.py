"""Test images that are set aside where the data have none."""

from pathlib import Path

import numpy as np
import pytest
from photos import classes
from PIL import Image

from nas import NasError
from nas.data import DataOptions, load_again, load_data


def test_a_share_of_every_class_is_set_aside_and_found_again() -> None:
    whole = load_data("digits")
    options = DataOptions(test_share=0.2)
    data = load_data("digits", options=options)
    assert data.test is not None
    assert len(data.train.labels) + len(data.test.labels) == len(whole.train.labels)
    counts = np.bincount(data.test.labels) / np.bincount(whole.train.labels)
    assert np.all(abs(counts - 0.2) < 0.02)
    assert np.array_equal(data.validation.pixels, whole.validation.pixels)
    assert data.checksum != whole.checksum
    again = load_again("digits", 0, options, data.checksum)
    assert again.test is not None
    assert np.array_equal(again.test.pixels, data.test.pixels)


def test_equal_images_are_in_one_part_alone() -> None:
    data = load_data("digits", options=DataOptions(test_share=0.3))
    assert data.test is not None
    trained = {image.tobytes() for image in data.train.pixels}
    assert not any(image.tobytes() in trained for image in data.test.pixels)


def test_data_with_a_test_of_their_own_keep_it(tmp_path: Path) -> None:
    for part, number in (("train", 9), ("val", 3), ("test", 3)):
        classes(tmp_path / part, "cat dog", number)
    own, asked = load_data(tmp_path), load_data(tmp_path, options=DataOptions(test_share=0.3))
    assert own.test is not None
    assert asked.test is not None
    assert np.array_equal(asked.test.pixels, own.test.pixels)
    assert np.array_equal(asked.train.pixels, own.train.pixels)
    assert asked.checksum == own.checksum


def test_what_is_said_of_a_folder_says_what_is_set_aside(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(20):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    data = load_data(tmp_path, options=DataOptions(test_share=0.25))
    assert data.test is not None
    assert f"{len(data.test.labels)} of the training images" in data.understood[-1]


def test_a_test_of_no_image_is_refused(tmp_path: Path) -> None:
    classes(tmp_path, "a b c d", 2)
    with pytest.raises(NasError, match=r"--test-share 0.15: no class of .* has images to spare"):
        load_data(tmp_path, options=DataOptions(test_share=0.15))
