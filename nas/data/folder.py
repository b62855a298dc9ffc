"""The reader of folders with one folder of images for each class, decoded by Pillow.

    FOLDER/train/cat/1.jpg  FOLDER/val/cat/7.jpg  FOLDER/test/…   (test may be absent), or
    FOLDER/cat/1.jpg                               which is split by a seed

Images with something wrong are counted and named; too many of them are an error.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.data.dataset import VALIDATION_SHARE, DataSet, Images, split
from nas.data.registry import reader
from nas.support.errors import NasError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"}
VALIDATION_NAMES = ("val", "valid", "validation")
TOLERATED = 0.1  # share of images that may be unreadable, of another colour mode, or too small
NAMED_AT_MOST = 3
LARGEST = 256  # pixels a side; larger images are reduced when they are read
GREY_MODES = {"1", "L", "LA", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"}


class _ImageFile(NamedTuple):
    """An image file: its class, its shorter side in pixels (0 where it cannot be read), whether it
    is square and whether it is grey."""

    path: Path
    label: int
    shorter: int
    square: bool
    grey: bool


def _parts(folder: Path) -> dict[str, Path]:
    """The folders of `train`, `validation` and `test`; without `train`, the whole one as `all`."""
    names = {"train": ("train",), "validation": VALIDATION_NAMES, "test": ("test",)}
    parts = {
        part: folder / name for part, ns in names.items() for name in ns if (folder / name).is_dir()
    }
    return parts if "train" in parts else {"all": folder}


def _class_folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def _accepts(folder: Path) -> bool:
    return folder.is_dir() and any(next(iter(_files(sub)), None) for sub in _class_folders(folder))


@reader("folder", accepts=_accepts, takes="a folder of images for each class (in train/ and val/)")
def read_folder(source: str, seed: int) -> DataSet:
    """Reads images of any size and mode as square images of one size and one mode.

    The size is the most frequent shorter side, at most 256 pixels: an image's shorter side is
    scaled to it, and the centre is cut out. The mode, grey or RGB, is that of most images.
    Errors: `NasError` where no class has images, a class has none, or over a tenth of all images is
    unreadable, of the other mode, or under half the size.
    """
    parts = _parts(Path(source))
    classes = tuple(path.name for path in _class_folders(next(iter(parts.values()))))
    looked = {part: _look(source, folder, classes) for part, folder in parts.items()}
    everything = [image for part in looked.values() for image in part]
    readable = [image for image in everything if image.shorter]
    if not readable:
        raise NasError(f"data set {source}: none of its {len(everything)} images can be read")
    sides = Counter(min(image.shorter, LARGEST) for image in readable)
    side = max(sides, key=lambda s: (sides[s], s))
    grey = 2 * sum(image.grey for image in readable) > len(readable)
    notes = _notes(source, everything, side, grey)
    read = {part: _pixels(part_images, side, grey) for part, part_images in looked.items()}
    for part, images in read.items():
        for label, name in enumerate(classes):
            if label not in images.labels:
                where = parts[part] / name
                raise NasError(f"data set {source}: class '{name}' has no image in {where}")
    whole = read.get("all", read.get("train"))
    assert whole is not None
    validation = read.get("validation")
    if validation is None:
        whole, validation = split(whole, VALIDATION_SHARE, seed)
    return DataSet(
        str(Path(source).resolve()), classes, whole, validation, read.get("test"),
        seed=seed, notes=notes,
    )  # fmt: skip


def _look(source: str, folder: Path, classes: tuple[str, ...]) -> list[_ImageFile]:
    """Inspects every image file of a part; the pixels are not kept."""
    folders = {path.name: path for path in _class_folders(folder)}
    if set(folders) != set(classes):
        odd = sorted(set(folders) ^ set(classes))
        raise NasError(f"data set {source}: class '{odd[0]}' is in one of its parts only")
    return [_inspect(p, i) for i, name in enumerate(classes) for p in _files(folders[name])]


def _inspect(path: Path, label: int) -> _ImageFile:
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            width, height = image.size
            return _ImageFile(
                path, label, min(width, height), width == height, image.mode in GREY_MODES
            )
    # Pillow's decoders fail in many ways: OSError, SyntaxError, ValueError, bombs, struct.error.
    except Exception:
        return _ImageFile(path, label, 0, False, False)


def _notes(source: str, images: list[_ImageFile], side: int, grey: bool) -> tuple[str, ...]:
    """A line for each kind of odd image. Errors: `NasError` where one kind has too many."""
    readable = [image for image in images if image.shorter]
    modes = ("RGB", "greyscale") if grey else ("greyscale", "RGB")
    odd = {
        "cannot be read and are left out": [i for i in images if not i.shorter],
        f"are {modes[0]} among {modes[1]} and are converted": [
            i for i in readable if i.grey != grey
        ],
        f"are under half of {side} pixels and are enlarged": [
            i for i in readable if 2 * i.shorter < side
        ],
    }
    notes = []
    for what, members in odd.items():
        if members:
            names = ", ".join(str(image.path) for image in members[:NAMED_AT_MOST])
            more = ", …" if len(members) > NAMED_AT_MOST else ""
            text = f"{len(members)} of {len(images)} images {what}: {names}{more}"
            if len(members) > TOLERATED * len(images):
                share = len(members) / len(images)
                raise NasError(
                    f"data set {source}: {share:.0%}, over {TOLERATED:.0%}, is too much: {text}"
                )
            notes.append(text)
    # Photographs come in all sizes, so another size alone is never an error.
    fitted = sum(not (i.square and i.shorter == side) for i in readable)
    if fitted:
        notes.append(f"{fitted} of {len(images)} images are fitted to {side}x{side} pixels")
    return tuple(notes)


def _pixels(images: list[_ImageFile], side: int, grey: bool) -> Images:
    readable = [image for image in images if image.shorter]
    pixels = np.empty((len(readable), 1 if grey else 3, side, side), np.uint8)
    for i, image in enumerate(readable):
        pixels[i] = _decode(image.path, side, grey)
    return Images(pixels, np.array([image.label for image in readable], np.int64))


def _decode(path: Path, side: int, grey: bool) -> NDArray[np.uint8]:
    """The centre of an image as (C, side, side): turned upright, its shorter side scaled."""
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        image = _eight_bits(ImageOps.exif_transpose(opened)).convert("L" if grey else "RGB")
    if image.size != (side, side):
        image = ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[np.newaxis] if grey else array.transpose(2, 0, 1)


def _eight_bits(image: Image) -> Image:
    """The image with the eight most significant bits of 16; Pillow itself would clip the values."""
    from PIL import Image as Pillow

    if image.mode.startswith("I"):
        return Pillow.fromarray((np.asarray(image).clip(0, 65535) // 256).astype(np.uint8))
    return image
