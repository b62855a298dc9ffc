"""Images of every kind keep their content, and what is wrong with one stops nothing."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photos import classes, photo, photos
from PIL import Image, features

from nas.data import DataSet, load_data
from nas.data.decode import eight_bits
from nas.data.inspection import Inspected, value_range
from nas.support.errors import NasError

WAVE = np.add.outer(np.arange(32), np.arange(32)) / 62  # a ramp of 0 to 1 in 63 steps


def ramps(folder: Path, arrays: list[np.ndarray], suffix: str = ".png") -> DataSet:
    """Two classes with these images each; class b's are upside down, so no file is in both."""
    for i, array in enumerate(arrays):
        for name, pixels in (("a", array), ("b", array[::-1])):
            path = folder / name / f"{i}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(pixels)).save(path)
    return load_data(folder)


def of_class(data: DataSet, label: int) -> np.ndarray:
    pixels: np.ndarray = np.concatenate([data.train.pixels, data.validation.pixels])
    labels = np.concatenate([data.train.labels, data.validation.labels])
    chosen: np.ndarray = pixels[labels == label]
    return chosen


def told(data: DataSet) -> str:
    return "\n".join(data.notes)


@pytest.mark.parametrize(
    ("suffix", "array", "values"),
    [
        (".png", (WAVE * 4095).astype(np.uint16), (0, 4095)),
        (".png", (WAVE * 3000).astype(np.uint16), (0, 4095)),
        (".png", (WAVE * 1000).astype(np.uint16), (0, 1023)),
        (".png", (WAVE * 65535).astype(np.uint16), (0, 65535)),
        (".png", (30000 + WAVE * 4000).astype(np.uint16), (30000, 34000)),
        (".tif", (WAVE * 4095).astype(np.uint16), (0, 4095)),
        (".tif", (WAVE > 0.5).astype(np.int32), (0, 1)),
        (".tif", (WAVE * 2**31).astype(np.int64).clip(0, 2**31 - 1).astype(np.int32),
         (0, 2**31 - 1)),
        (".tif", (WAVE * 255).astype(np.int32), (0, 255)),
        (".tif", (WAVE * 2000 - 1000).astype(np.int32), (-1000, 1000)),
        (".tif", WAVE.astype(np.float32), (0, 1)),
        (".tif", (WAVE * 0.9).astype(np.float32), (0, 1)),
        (".tif", (WAVE * 0.01).astype(np.float32), (0, 0.01)),
        (".tif", (WAVE * 200).astype(np.float32), (0, 255)),
        (".tif", (WAVE * 3e5 - 1e5).astype(np.float32), (-1e5, 2e5)),
    ],
)  # fmt: skip
def test_images_of_more_than_eight_bits(
    tmp_path: Path, suffix: str, array: np.ndarray, values: tuple[float, float]
) -> None:
    data = ramps(tmp_path, [array, array.T.copy()[:, ::-1], array[:, ::-1]], suffix)
    assert data.values == pytest.approx(values)
    low, high = values
    wanted = np.rint((array.astype(float) - low) / (high - low) * 255)
    found = of_class(data, 0)
    assert found.shape == (3, 1, 32, 32)
    assert min(np.abs(image[0] - wanted).max() for image in found) <= 1
    if len(np.unique(array)) > 2:
        assert len(np.unique(found)) > 50
    assert "6 of 6 images have over eight bits: values of" in told(data)


def test_a_few_far_values_and_no_numbers_do_not_decide() -> None:
    rng = np.random.default_rng(0)
    array = rng.normal(100, 5, (64, 64)).astype(np.float32)
    array[0, 0], array[0, 1] = 1e6, np.nan
    finite = array[np.isfinite(array)].astype(float)
    image = Inspected(Path("x"), 0, values=(finite.min(), 1e6), sample=finite, whole=False)
    low, high = value_range([image]) or (0, 0)
    assert 70 < low < 100 < high < 130
    pixels = eight_bits(array, (low, high))
    assert (pixels[0, 0], pixels[0, 1]) == (255, 0)
    assert len(np.unique(pixels)) > 100


def test_a_dark_border_does_not_decide(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(0, 4096, (256, 256)).astype(np.uint16)
    array[:, :2] = rng.integers(0, 5, (256, 2))
    assert ramps(tmp_path, [array, array.T.copy()]).values == (0, 4095)


def test_one_mark_in_ten_thousand_is_kept() -> None:
    array = np.zeros(20_000)
    array[7] = 1
    image = Inspected(Path("x"), 0, values=(0, 1), sample=array[:4096])
    assert value_range([image]) == (0, 1)
    assert eight_bits(array, (0, 1)).sum() == 255


def test_sixteen_bits_beside_eight(tmp_path: Path) -> None:
    arrays: list[np.ndarray] = [
        (WAVE * 4095).astype(np.uint16),
        (WAVE * 255).astype(np.uint8),
        (WAVE.T * 4095 // 1).astype(np.uint16),
    ]
    data = ramps(tmp_path, arrays)
    assert all(abs(int(image.max()) - 255) <= 1 for image in of_class(data, 0))
    assert "over eight bits" in told(data)


def png16(path: Path, pixels: np.ndarray) -> None:
    """A PNG of 16 bits a channel, as its specification says; Pillow writes none in colour."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + name + body
        data += struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(data)


def tiff16(path: Path, pixels: np.ndarray, order: str) -> None:
    """An uncompressed TIFF of 16 bits a channel in one strip; `order` is < or >."""
    height, width, channels = pixels.shape
    body = pixels.astype(f"{order}u2").tobytes()
    bits = 8 + 2 + 12 * 9 + 4
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, bits), (259, 3, 1, 1),
            (262, 3, 1, 2), (273, 4, 1, bits + 6), (277, 3, 1, channels), (278, 3, 1, height),
            (279, 4, 1, len(body))]  # fmt: skip
    data = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(tags))
    for tag, kind, number, value in tags:
        short = kind == 3 and number == 1
        data += struct.pack(f"{order}HHI", tag, kind, number)
        data += struct.pack(
            f"{order}HH" if short else f"{order}I", *([value, 0] if short else [value])
        )
    data += struct.pack(f"{order}I", 0) + struct.pack(f"{order}3H", 16, 16, 16)
    path.write_bytes(data + body)


@pytest.mark.parametrize("kind", ["png", "<", ">"])
def test_colours_of_twelve_bits_in_sixteen(tmp_path: Path, kind: str) -> None:
    colours = (np.stack([WAVE, WAVE[::-1], WAVE[:, ::-1]], 2) * 4095).astype(np.uint16)
    for name, pixels in (("a", colours), ("b", colours[..., ::-1])):
        for i in range(3):
            path = tmp_path / name / f"{i}.{'png' if kind == 'png' else 'tif'}"
            path.parent.mkdir(exist_ok=True)
            rolled = np.roll(pixels, i, 0)
            png16(path, rolled) if kind == "png" else tiff16(path, rolled, kind)
    data = load_data(tmp_path)
    assert data.values == (0, 4095)
    wanted = np.rint(colours.transpose(2, 0, 1) / 4095 * 255)
    assert min(np.abs(image - wanted).max() for image in of_class(data, 0)) <= 1


def test_transparency_of_sixteen_bits(tmp_path: Path) -> None:
    classes(tmp_path, number=5)
    pixels = np.full((12, 12, 4), 2048, np.uint16)
    pixels[:6, :, 3], pixels[0, 0, 0], pixels[6:, :, 3] = 65535, 4095, 0
    png16(tmp_path / "cat" / "deep.png", pixels)
    data = load_data(tmp_path)
    (found,) = [x for x in of_class(data, 0) if (x[:, 6:] == 255).all()]
    assert (found[:, 1:6] == 128).all()


def test_grey_and_transparency_of_sixteen_bits(tmp_path: Path) -> None:
    grey = (WAVE * 4095).astype(np.uint16)
    for i in range(6):
        opaque = np.stack([np.roll(grey, i, 0), np.full_like(grey, 65535)], 2)
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        png16(tmp_path / "ab"[i % 2] / f"{i}.png", opaque)
    data = load_data(tmp_path)
    assert (data.channels, data.values) == (1, (0, 4095))
    assert min(np.abs(x[0] - np.rint(grey / 4095 * 255)).max() for x in of_class(data, 0)) <= 1
    classes(tmp_path / "clear", number=5)
    png16(tmp_path / "clear" / "cat" / "x.png", np.zeros((12, 12, 2), np.uint16))
    assert any((x == 255).all() for x in of_class(load_data(tmp_path / "clear"), 0))


def test_transparency_is_put_on_white(tmp_path: Path) -> None:
    classes(tmp_path, number=6)
    clear = np.zeros((12, 12, 4), np.uint8)
    clear[:6] = (200, 10, 30, 255)
    Image.fromarray(clear).save(tmp_path / "cat" / "rgba.png")
    Image.fromarray(clear[..., [0, 3]]).save(tmp_path / "dog" / "la.png")
    palette = Image.fromarray(np.zeros((12, 12), np.uint8)).convert("P")
    palette.save(tmp_path / "dog" / "palette.png", transparency=0)
    opaque = np.full((12, 12, 4), 255, np.uint8)
    Image.fromarray(opaque).save(tmp_path / "cat" / "opaque.png")
    data = load_data(tmp_path)
    (found,) = [x for x in of_class(data, 0) if tuple(x[:, 0, 0]) == (200, 10, 30)]
    assert (found[:, 6:] == 255).all()
    assert any((x == 255).all() for x in of_class(data, 1))
    assert "transparent in places and are put on white: 3 (" in told(data)


KINDS = ".jfif .jpe .JPG .tif .bmp .webp .gif .jp2 .ppm .avif .tga"


@pytest.mark.parametrize("suffix", KINDS.split())
def test_what_pillow_reads_is_read(tmp_path: Path, suffix: str) -> None:
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    for name in ("cat", "dog"):
        photos(tmp_path / name, 3, suffix)
    data = load_data(tmp_path)
    assert len(data.train.labels) + len(data.validation.labels) == 6


def test_what_pillow_does_not_read_is_counted_and_named(tmp_path: Path) -> None:
    classes(tmp_path, number=10)
    for i in range(2):
        (tmp_path / "cat" / f"{i}.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes([i] * 20))
    (tmp_path / "dog" / "empty.png").write_bytes(b"")
    whole = (tmp_path / "dog" / "00.png").read_bytes()
    (tmp_path / "dog" / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dog" / "html.jpg").write_text("<html>404</html>")
    data = load_data(tmp_path)
    assert (
        "2 of 25 images are .heic, which Pillow cannot read, and are left out: cat/0.HEIC, cat"
        in told(data)
    )
    assert "3 of 25 images cannot be read and are left out: " in told(data)
    for name in ("dog/empty.png", "dog/half.png", "dog/html.jpg"):
        assert name in told(data)
    assert len(data.train.labels) + len(data.validation.labels) == 20


def test_a_class_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    classes(tmp_path, "cat dog", 20)
    (tmp_path / "ant").mkdir()
    whole = (tmp_path / "dog" / "00.png").read_bytes()
    (tmp_path / "ant" / "0.png").write_bytes(whole[:-40])
    data = load_data(tmp_path)
    assert data.classes == ("cat", "dog")
    assert set(data.train.labels) == {0, 1}
    assert "none of their training images can be read: 1 (ant)" in told(data)
    shutil.rmtree(tmp_path / "cat")
    with pytest.raises(NasError, match="under two have a training image"):
        load_data(tmp_path)


def test_orientation_and_broken_exif(tmp_path: Path) -> None:
    classes(tmp_path, number=10)
    half = np.zeros((12, 12, 3), np.uint8)
    half[:6] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(half).save(tmp_path / "cat" / "turned.png", exif=exif)
    good = exif.tobytes()
    kinds = [good[:12], good[:6] + b"II*\0\xff\xff\xff\xff", b"Exif\0\0" + os.urandom(64),
             good.replace(b"\x12\x01", b"\x12\x01", 1)[:-6] + b"\xff" * 6]  # fmt: skip
    for i, block in enumerate(kinds):
        photo(tmp_path / "dog" / f"bad{i}.jpg", exif=block)
    data = load_data(tmp_path)
    (found,) = [x for x in of_class(data, 0) if (x[:, :, 6:] == 255).all()]
    assert (found[:, :, :6] == 0).all()
    assert len(of_class(data, 1)) == 14


def test_an_unreadable_exif_block_is_said(tmp_path: Path) -> None:
    classes(tmp_path, number=5)
    for suffix in (".jpg", ".png", ".webp"):
        photo(tmp_path / "cat" / f"bad{suffix}", exif=b"Exif\0\0garbage that is no TIFF header")
    photo(tmp_path / "dog" / "cut.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05")
    data = load_data(tmp_path)
    assert "EXIF data that cannot be read and are taken as they are stored: 4 (" in told(data)
    assert len(of_class(data, 0)) == 8


def test_a_few_thumbnails_do_not_shrink_the_photos(tmp_path: Path) -> None:
    for i in range(25):
        photo(tmp_path / "cat" / f"{i}.jpg", (300 + i, 260 + 2 * i))
        photo(tmp_path / "dog" / f"{i}.jpg", (400 + i, 301 + 2 * i))
    for i in range(3):
        photo(tmp_path / "cat" / f"thumb{i}.jpg", (40, 40))
    data = load_data(tmp_path)
    assert data.resolution == 256
    assert "3 of 53 images are under half of 256 pixels and are enlarged" in told(data)


def test_eighty_sizes(tmp_path: Path) -> None:
    for i in range(80):
        photo(tmp_path / "cd"[i % 2] / f"{i}.png", (20 + 2 * i, 200 - 2 * i))
    sides = sorted(min(20 + 2 * i, 200 - 2 * i) for i in range(80))
    assert load_data(tmp_path).resolution == sides[40]


def test_equal_files_are_on_one_side_alone(tmp_path: Path) -> None:
    for part, number in (("train", 6), ("val", 3), ("test", 3)):
        classes(tmp_path / part, number=number)
    shutil.copy(tmp_path / "train/cat/00.png", tmp_path / "val/cat/copy.png")
    shutil.copy(tmp_path / "train/dog/00.png", tmp_path / "val/cat/mislabelled.png")
    shutil.copy(tmp_path / "val/dog/00.png", tmp_path / "test/dog/copy.png")
    data = load_data(tmp_path)
    assert [len(p.labels) for p in (data.train, data.validation, data.test or data.train)] == [
        12,
        6,
        6,
    ]
    assert "are training images too are left out of validation: 2 (val/cat/" in told(data)
    assert "training or validation images too are left out of the test: 1 (test/dog/copy" in told(
        data
    )
    shutil.rmtree(tmp_path / "val")
    shutil.copytree(tmp_path / "train", tmp_path / "val")
    data = load_data(tmp_path)
    assert (len(data.train.labels), len(data.validation.labels)) == (10, 2)
    assert any("validation  split off by seed 0" in line for line in data.understood)


def test_copies_stay_together_when_a_seed_splits(tmp_path: Path) -> None:
    classes(tmp_path, number=8)
    for name in ("cat", "dog"):
        for i in range(8):
            shutil.copy(tmp_path / name / f"{i:02}.png", tmp_path / name / f"copy{i}.png")
    for seed in range(5):
        data = load_data(tmp_path, seed)
        train, validation = (
            {x.tobytes() for x in part.pixels} for part in (data.train, data.validation)
        )
        assert not train & validation
        assert len(data.train.labels) + len(data.validation.labels) == 32


def test_a_picture_in_two_classes_is_said(tmp_path: Path) -> None:
    classes(tmp_path)
    shutil.copy(tmp_path / "cat/00.png", tmp_path / "dog/same.png")
    assert "have an equal file in another class: 1 (dog/same.png)" in told(load_data(tmp_path))


def test_a_class_with_one_image(tmp_path: Path) -> None:
    classes(tmp_path)
    photo(tmp_path / "fox" / "only.png")
    data = load_data(tmp_path)
    assert data.classes == ("cat", "dog", "fox")
    assert "without validation images: 1 (fox)" in told(data)
    with pytest.raises(NasError, match="no image is left for validation"):
        load_data(classes(tmp_path / "more", "ant bee", 1))


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root opens everything")
    classes(tmp_path, "cat dog fox")
    (tmp_path / "fox").chmod(0)
    data = load_data(tmp_path)
    (tmp_path / "fox").chmod(0o700)
    assert "cannot be opened are left out: 1 (fox)" in told(data)


@given(
    suffix=st.sampled_from([".png", ".jpg", ".gif", ".tif", ".webp", ".bmp", ".ppm"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    kept=st.floats(0.2, 1),
)
def test_damaged_bytes_stop_nothing(
    suffix: str, changes: list[tuple[float, int]], kept: float
) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = classes(Path(place), number=4)
        path = photo(root / "cat" / f"damaged{suffix}")
        data = bytearray(path.read_bytes())
        for where, byte in changes:
            data[int(where * (len(data) - 1))] = byte
        path.write_bytes(data[: int(kept * len(data))])
        found = load_data(root)
        there = len(found.train.labels) + len(found.validation.labels)
        left_out = any("damaged" in note and "left out" in note for note in found.notes)
        assert there == 8 + (not left_out)
