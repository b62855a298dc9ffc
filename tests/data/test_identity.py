"""A data set is known by its content, wherever it is and whatever its files are called."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from photos import classes, photo

from nas.data import DataOptions, DataSet, data_options, load_again, load_data
from nas.data.dataset import Images
from nas.support.errors import NasError


def test_moved_renamed_and_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes(tmp_path / "a", number=10)
    one = load_data(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    for same in ("a", "./a", "a/", "a/../a"):
        found = load_data(same)
        assert (found.checksum, found.source) == (one.checksum, str(tmp_path / "a"))
    shutil.move(tmp_path / "a", tmp_path / "b")
    for number, path in enumerate(sorted((tmp_path / "b").glob("*/*"), reverse=True)):
        path.rename(path.with_name(f"renamed{number}.png"))
    two = load_data("b")
    assert two.checksum == one.checksum
    assert np.array_equal(np.asarray(two.train.pixels), np.asarray(one.train.pixels))
    assert (two.validation.labels == one.validation.labels).all()
    assert two.moments == one.moments


def test_what_is_another_data_set(tmp_path: Path) -> None:
    classes(tmp_path, number=10)
    seen = {load_data(tmp_path).checksum, load_data(tmp_path, seed=1).checksum}
    options = [data_options(classes=["dog,cat"]), data_options(["train=.", "validation=."])]
    seen |= {load_data(tmp_path, options=o).checksum for o in options[:1]}
    photo(tmp_path / "cat" / "new.png")
    seen.add(load_data(tmp_path).checksum)
    (tmp_path / "cat").rename(tmp_path / "kitten")
    seen.add(load_data(tmp_path).checksum)
    assert len(seen) == 5
    limits = DataOptions(left_out=0.5)
    assert load_data(tmp_path, options=limits).checksum == load_data(tmp_path).checksum


def test_moments_are_exact() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 3, 9, 9), dtype=np.uint8)
    images = Images(pixels, np.zeros(50, np.int64))
    means, deviations = DataSet("x", ("a", "b"), images, images).moments
    values = pixels.transpose(1, 0, 2, 3).reshape(3, -1) / 255
    assert means == pytest.approx(values.mean(1), rel=1e-14)
    assert deviations == pytest.approx(values.std(1), rel=1e-14)
    backwards = Images(pixels[::-1], images.labels)
    assert DataSet("x", ("a", "b"), backwards, images).moments == (means, deviations)


def test_load_again(tmp_path: Path) -> None:
    classes(tmp_path / "a", "cat dog fox", number=6)
    options = data_options(classes=["cat", "fox"])
    one = load_data(tmp_path / "a", 3, options)
    known = (one.source, one.seed, one.options, one.checksum)
    assert load_again(*known).checksum == one.checksum
    shutil.move(tmp_path / "a", tmp_path / "b")
    with pytest.raises(NasError, match="is not there any more: --data says where it is now"):
        load_again(*known)
    assert load_again(*known, moved=tmp_path / "b").source == str(tmp_path / "b")
    photo(tmp_path / "b" / "fox" / "new.png")
    with pytest.raises(NasError, match="has other images than"):
        load_again(*known, moved=tmp_path / "b")
    shutil.move(tmp_path / "b", tmp_path / "a")
    with pytest.raises(NasError, match="has changed since"):
        load_again(*known)
    assert load_again("digits", 0, DataOptions(), load_data("digits").checksum).source == "digits"
