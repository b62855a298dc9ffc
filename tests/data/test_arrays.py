"""Data sets that are arrays: `.npz` files, and IDX files as they are kept."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.data import DataSet, load_data
from nas.support.errors import NasError
from nas.testing.readers import check_reader


def counts(data: DataSet) -> tuple[int, int, int]:
    test = 0 if data.test is None else len(data.test.labels)
    return len(data.train.labels), len(data.validation.labels), test


def arrays(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    made: dict[str, Any] = {}
    for part, number in (("train", 20), ("val", 6), ("test", 4)):
        made[f"{part}_images"] = rng.integers(0, 256, (number, 9, 7, 3), np.uint8)
        made[f"{part}_labels"] = (np.arange(number) % 2 * 3)[:, np.newaxis]
    return made | changes


def test_medmnist_is_its_arrays(tmp_path: Path) -> None:
    held = arrays()
    np.savez_compressed(tmp_path / "bloodmnist.npz", **held)
    data = load_data(tmp_path / "bloodmnist.npz")
    assert data.test is not None
    assert (data.classes, counts(data), data.seeded) == (("0", "3"), (20, 6, 4), False)
    pixels = np.asarray(data.test.pixels)
    assert np.array_equal(pixels, held["test_images"].transpose(0, 3, 1, 2))
    assert data.test.labels.tolist() == [0, 1, 0, 1]
    check_reader("arrays", tmp_path / "bloodmnist.npz")
    keras = {"x_train": held["train_images"][..., 0], "y_train": held["train_labels"][:, 0]}
    np.savez(tmp_path / "mnist.npz", **keras)
    data = load_data(tmp_path / "mnist.npz")
    assert (counts(data), data.train.pixels.shape[1:]) == ((18, 2, 0), (1, 9, 7))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_labels": np.array([{}] * 20, object)}, "pickled objects, which are code"),
        ({"train_labels": np.ones((20, 14), int)}, "several labels"),
        ({"train_images": np.ones((20, 9, 7), float)}, "of uint8, not"),
        ({"val_images": np.ones((6, 8, 8, 3), np.uint8)}, "differ in size"),
        ({"test_labels": np.full(4, 9)}, "label 9 of test is none of the 2 classes, 0 to 3"),
        ({"val_labels": np.arange(5)}, "must be 6 whole numbers, not 5"),
        ({"val_images": np.zeros((0, 9, 7, 3), np.uint8)}, "val_images is empty"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays(**changes))
    with pytest.raises(NasError, match=said):
        load_data(tmp_path / "a.npz")


def test_arrays_of_other_names_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pixels=np.ones(3))
    with pytest.raises(NasError, match="without train_images or x_train, which is not read"):
        load_data(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(whole[:-20])
    with pytest.raises(NasError, match=r"b\.npz is no whole \.npz file"):
        load_data(tmp_path / "b.npz")


def test_several_files_of_arrays_are_no_one_data_set(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "organmnist.npz", **arrays())
    np.savez_compressed(tmp_path / "mean.npz", mean=np.zeros(3))
    assert counts(load_data(tmp_path)) == (20, 6, 4)
    np.savez_compressed(tmp_path / "pathmnist.npz", **arrays())
    with pytest.raises(NasError, match=r"give one of organmnist\.npz, pathmnist\.npz"):
        load_data(tmp_path)


def idx(folder: Path, name: str, array: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    (folder / name).write_bytes(head + array.astype(np.uint8).tobytes())
    with gzip.open(folder / f"{name}.gz", "wb") as file:
        file.write(head + array.astype(np.uint8).tobytes())


def test_idx_files_as_they_are_kept(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    idx(raw, "emnist-letters-train-images-idx3-ubyte", np.arange(80).reshape(20, 2, 2))
    idx(raw, "emnist-letters-train-labels-idx1-ubyte", np.arange(20) % 2 + 1)
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == (("1", "2"), (18, 2, 0))
    (raw / "emnist-letters-train-images-idx3-ubyte").unlink()
    (raw / "emnist-letters-train-images-idx3-ubyte").mkdir()  # as an archive of Kaggle's has it
    assert counts(load_data(tmp_path)) == (18, 2, 0)
    idx(raw, "emnist-digits-train-images-idx3-ubyte", np.arange(80).reshape(20, 2, 2))
    with pytest.raises(NasError, match=r"several data sets: emnist-digits-, emnist-letters-"):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_images": np.zeros((20, 0, 7, 3), np.uint8)}, "its images are empty: 0x7"),
        ({"train_labels": np.full(20, 2**63, np.uint64)}, "label 9223372036854775808 is above"),
    ],
)
def test_what_no_network_can_take_is_one_line(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    held = {name: array for name, array in arrays(**changes).items() if "train" in name}
    np.savez(tmp_path / "a.npz", **held)
    with pytest.raises(NasError, match=said):
        load_data(tmp_path / "a.npz")
