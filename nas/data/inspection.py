"""What can be known of an image file before it is decoded for training: `Inspected`."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

GREY_MODES = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"}
DEEP_MODES = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}
_OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
GREY_ALPHA = "LA;16B"
TURNED = {f"{c};16{o}": f"{c};16{_OTHER[o]}" for c in ("RGB", "RGBA") for o in "BLN"}
UNREADABLE = "cannot be read"
SAMPLE = 256  # values of an image by which the range of a data set's is judged


@dataclass(eq=False)
class Inspected:
    """An image file: `digest` of its bytes, its height and width in pixels, and what it is.

    `problem` is what keeps it from being read ("cannot be read"), None where nothing does.
    `values` is (lowest, highest) of an image of more than eight bits, `sample` some of its values
    and `whole` says that they are whole numbers; of any other image the two are None.
    """

    path: Path
    label: int
    digest: bytes = b""
    size: tuple[int, int] = (0, 0)
    grey: bool = False
    frames: int = 1
    problem: str | None = None
    values: tuple[float, float] | None = None
    sample: NDArray[np.float64] | None = None
    whole: bool = True


def inspect(path: Path, label: int) -> Inspected:
    """Reads a file's bytes and its header; its values too where it has more than eight bits."""
    from PIL import Image

    if not os.path.exists(path):  # Path.exists raises where a folder on the way is closed
        return Inspected(path, label, problem="are links to nothing")
    if not readable_kind(path.suffix):
        kind = path.suffix.lower()
        return Inspected(path, label, problem=f"are {kind}, which Pillow cannot read,")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        with quiet(), Image.open(path) as image:
            width, height = image.size
            values = sample = None
            whole, grey = image.mode != "F", _is_grey(image)
            if (array := deep_values(path, image)) is not None:
                finite = array[np.isfinite(array)] if image.mode == "F" else array[..., :3].ravel()
                if not finite.size:
                    return Inspected(path, label, digest, problem="have no finite value")
                values = float(finite.min()), float(finite.max())
                sample = _sampled(finite)
            return Inspected(
                path, label, digest, (height, width),
                grey, _frames(image), None, values, sample, whole,
            )  # fmt: skip
    # Pillow's decoders fail in many ways: OSError, SyntaxError, ValueError, bombs, struct.error.
    except Exception:
        return Inspected(path, label, problem=UNREADABLE)


def deep_values(path: Path, image: Image) -> NDArray[np.generic] | None:
    """The values of an image of more than eight bits, (H, W) or (H, W, C), None of any other.

    Pillow keeps the high byte alone of colours of 16 bits. Read with the order of their bytes
    turned round it keeps the low one. Grey beside transparency is read as four bytes a pixel, and
    given as colours.
    """
    from PIL import Image

    values: NDArray[Any]
    if image.mode in DEEP_MODES:
        values = np.asarray(image)
        return values
    codes = _codes(image)
    if not codes or not codes <= {*TURNED, GREY_ALPHA}:
        return None
    opened: Any
    with Image.open(path) as opened:
        opened.tile = [(*tile[:3], _turned(tile[3])) for tile in opened.tile]
        low: NDArray[np.uint8] = np.asarray(opened)
    if GREY_ALPHA in codes:
        values = low.view(">u2")[..., [0, 0, 0, 1]].astype(np.uint16)
        return values
    values = np.asarray(image).astype(np.uint16)
    return values << 8 | low


def _sampled(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Some of the values from everywhere: an even step would meet one column of an image alone."""
    chosen = np.arange(min(SAMPLE, values.size)) * 2654435761 % values.size
    return values[chosen].astype(np.float64)


def _frames(image: Image) -> int:
    """How many frames an image has; a photograph's second one, such as its depth, is no frame."""
    try:
        return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    except Exception:  # frames that are cut off; the first one may be whole
        return 1


def _code(args: Any) -> str:
    """Pillow's name of how the values of a tile are stored, such as RGB;16B."""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _codes(image: Image) -> set[str]:
    """How the values of an image that is not read yet are stored."""
    return {_code(tile[3]) for tile in getattr(image, "tile", [])}


def _is_grey(image: Image) -> bool:
    return image.mode in GREY_MODES or GREY_ALPHA in _codes(image)


def _turned(args: Any) -> Any:
    other = TURNED.get(_code(args), "RGBA")
    return (other, *args[1:]) if isinstance(args, tuple) else other


def readable_kind(suffix: str) -> bool:
    """Whether Pillow, with the plugins that are registered in it, has a reader for a suffix."""
    from PIL import Image

    Image.init()
    known = Image.registered_extensions()
    return suffix.lower() in known or suffix.lower() in (".jif", ".hif", ".avifs")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence about odd metadata, of which Pillow warns: what is lost is counted instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def value_range(images: list[Inspected]) -> tuple[float, float] | None:
    """The values of images of more than eight bits that become black and white.

    A known range where they fill at least a quarter of it (8, 10, 12, 14 or 16 bits; 0 to 1), else
    the data's own lowest and highest; a few values far off (under 1 in 1000) do not count.
    None where all images have eight bits.
    """
    deep = [image for image in images if image.values is not None and image.sample is not None]
    if not deep:
        return None
    low = min(image.values[0] for image in deep if image.values)
    high = max(image.values[1] for image in deep if image.values)
    pooled = np.concatenate([image.sample for image in deep if image.sample is not None])
    inner = [float(v) for v in np.quantile(pooled, (0.001, 0.999), method="nearest")]
    filled = inner[1] - inner[0]
    whole = all(image.whole for image in deep)
    tops = [1, *(2**bits - 1 for bits in (8, 10, 12, 14, 16))]
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is not None and (whole or top < 2**8) and 4 * filled >= top:
        return 0.0, float(top)
    if 0 < 8 * filled < high - low:
        return inner[0], inner[1]
    return low, high


def orientation(image: Image) -> tuple[int, bool]:
    """The EXIF orientation of an image, 1 to 8, and whether its EXIF block can be read."""
    from PIL.Image import Exif

    # Read afresh: Pillow's own reading, when it opened the image, is silent about what is corrupt.
    exif = Exif()
    with warnings.catch_warnings(record=True) as corrupt:
        warnings.simplefilter("always")
        try:
            if raw := image.info.get("exif"):
                exif.load(raw)
            else:
                exif = image.getexif()
            turned = exif.get(0x0112, 1)
        except Exception:  # struct.error, SyntaxError, OSError, OverflowError, UnicodeDecodeError
            return 1, False
    is_known = isinstance(turned, int) and 0 <= turned <= 8
    return (turned or 1) if is_known else 1, is_known and not corrupt
