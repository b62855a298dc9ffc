"""The readers: against images written by Pillow, bytes written by hand, and scikit-learn."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import nas
from nas.data import DataOptions, load_data
from nas.data.fit import fit_architecture, fit_space
from nas.data.idx import read_idx
from nas.support.errors import NasError


def idx(path: Path, shape: tuple[int, ...], values: bytes) -> None:
    """Writes an IDX file as its specification says."""
    header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    data = header + values
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def idx_folder(folder: Path, end: str = "", labels: bytes = bytes([0, 1] * 10)) -> Path:
    for part in ("train", "t10k"):
        idx(folder / f"{part}-images-idx3-ubyte{end}", (20, 2, 2), bytes(range(80)))
        idx(folder / f"{part}-labels-idx1-ubyte{end}", (20,), labels)
    return folder


def picture(path: Path, colour: tuple[int, int, int] | int, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(colour, int) else "RGB", size, colour).save(path)


def pictures(folder: Path, count: int = 12, first: int = 0) -> Path:
    for i in range(first, first + count):
        picture(folder / "red" / f"{i:02}.png", (250, i, 0))
        picture(folder / "blue" / f"{i:02}.png", (0, i, 250))
    return folder


def test_digits_are_those_of_scikit_learn() -> None:
    data, truth = load_data("digits"), load_digits()
    assert (data.channels, data.resolution, len(data.classes)) == (1, 8, 10)
    pixels = np.concatenate([data.train.pixels, data.validation.pixels])[:, 0]
    labels = np.concatenate([data.train.labels, data.validation.labels])
    found = sorted((int(y), x.tobytes()) for x, y in zip(pixels, labels, strict=True))
    scaled = np.rint(truth.images / 16 * 255).astype(np.uint8)
    assert found == sorted((int(y), x.tobytes()) for x, y in zip(scaled, truth.target, strict=True))
    assert np.bincount(data.validation.labels).min() >= 34  # every class has its fifth
    assert load_data("digits").checksum == data.checksum != load_data("digits", seed=1).checksum
    (mean,), (deviation,) = data.moments
    assert mean == pytest.approx(np.asarray(data.train.pixels).mean() / 255)
    assert deviation == pytest.approx(np.asarray(data.train.pixels).std() / 255)


def test_what_cannot_be_a_path_is_one_line() -> None:
    for name in ("x" * 5000, "a/" * 3000):
        with pytest.raises(NasError, match=r"unknown|no such folder"):
            load_data(name)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_files_are_read_byte_by_byte(tmp_path: Path, end: str) -> None:
    data = load_data(idx_folder(tmp_path, end))
    assert data.test is not None
    assert np.asarray(data.test.pixels).tobytes() == bytes(range(80))
    assert data.test.labels.tolist() == [0, 1] * 10
    assert (len(data.train.labels), len(data.validation.labels)) == (18, 2)
    assert data.classes == ("0", "1")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\0\0\x08\x01\0\0\0\x05abc", "5 bytes are announced, 3 are there"),
        (b"\0\0\x0d\x01\0\0\0\x00", "unsigned bytes"),
        (b"GIF8", "unsigned bytes"),
        (b"", "unsigned bytes"),
    ],
)
def test_a_damaged_idx_file_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(NasError, match=f"{path}.*{said}"):
        read_idx(path)
    path.with_suffix(".gz").write_bytes(content or b"x")
    with pytest.raises(NasError, match="gz: "):
        read_idx(path.with_suffix(".gz"))


def test_a_folder_is_read_as_pillow_wrote_it_and_split(tmp_path: Path) -> None:
    data = load_data(pictures(tmp_path))
    assert data.classes == ("blue", "red")
    assert data.train.pixels.shape == (22, 3, 8, 8)
    assert sorted(data.validation.labels.tolist()) == [0, 1]
    for pixels, label in zip(data.train.pixels, data.train.labels, strict=True):
        assert pixels[:, 3, 5].tolist()[0::2] == ([250, 0] if label else [0, 250])
    assert data.notes == ()


def test_train_and_val_folders_are_kept_apart(tmp_path: Path) -> None:
    pictures(tmp_path / "train", 3)
    pictures(tmp_path / "val", 2, first=3)
    data = load_data(tmp_path)
    assert (len(data.train.labels), len(data.validation.labels)) == (6, 4)
    assert data.notes == ()
    (tmp_path / "val" / "red").rename(tmp_path / "val" / "read")
    data = load_data(tmp_path)
    assert (data.classes, data.validation.labels.tolist()) == (("blue", "red"), [0, 0])
    assert "class has no training images are left out: 1 (val/read)" in " ".join(data.notes)


def test_odd_images_are_counted_and_named(tmp_path: Path) -> None:
    pictures(tmp_path)
    (tmp_path / "red" / "03.png").write_bytes(b"no image")
    picture(tmp_path / "blue" / "05.png", 77)
    picture(tmp_path / "blue" / "06.png", (0, 9, 250), (20, 8))
    data = load_data(tmp_path)
    unreadable, grey, fitted = data.notes
    assert "1 of 24 images cannot be read" in unreadable
    assert "red/03.png" in unreadable
    assert "greyscale among RGB" in grey
    assert "blue/05.png" in grey
    assert "1 of 23 images are fitted to 8x8" in fitted
    assert len(data.train.labels) + len(data.validation.labels) == 23


def test_too_many_odd_images_are_an_error(tmp_path: Path) -> None:
    pictures(tmp_path)
    for i in range(7):
        (tmp_path / "red" / f"{i:02}.png").write_bytes(f"no image {i}".encode())
    with pytest.raises(NasError, match=r"29%, over 25%, is too much.*7 of 24.*red/00\.png"):
        load_data(tmp_path)
    data = load_data(tmp_path, options=DataOptions(left_out=0.3))
    assert len(data.train.labels) + len(data.validation.labels) == 17


@pytest.mark.parametrize(
    ("name", "said"),
    [("digit", "did you mean 'digits'"), ("a/b", "no such folder"), (".", "must hold")],
)
def test_what_is_no_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NasError, match=said):
        load_data(name)


def test_data_gives_space_and_network_their_ends() -> None:
    data = load_data("digits")
    space = fit_space(nas.SearchSpace.load("mobile"), data)
    arch = space.sample(0)
    smallest = min(nas.SearchSpace.load("mobile").settings.resolution)
    assert (arch.classes, arch.channels, arch.resolution) == (10, 1, smallest)
    fitted = fit_architecture(nas.reference("resnet18", resolution=32), data)
    assert (fitted.classes, fitted.input_shape) == (10, (1, 32, 32))
