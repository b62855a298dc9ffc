"""Image files as pixels of one size and mode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.data.inspection import deep_values, orientation, quiet
from nas.resolution import Resolution, sides

if TYPE_CHECKING:
    from PIL.Image import Image

TRANSPARENT = "images are transparent in places and are put on white"
BAD_EXIF = "images have EXIF data that cannot be read and are taken as they are stored"


@dataclass(frozen=True)
class Form:
    """What every image is made into: its size, `side`, and whether it is grey or RGB.

    `values` are those of images of more than eight bits that become black and white.
    """

    side: Resolution
    grey: bool
    values: tuple[float, float] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return (1 if self.grey else 3), *sides(self.side)

    def __str__(self) -> str:
        return "x".join(map(str, self.shape))


def decode(path: Path, form: Form, notes: list[str]) -> NDArray[np.uint8]:
    """One image as (C, H, W): upright, as large as it covers these, its centre.

    What is odd about it is added to the notes.
    """
    from PIL import Image, ImageOps

    with quiet(), Image.open(path) as opened:
        deep = deep_values(path, opened)
        opened.load()
        turned, is_read = orientation(opened)
        if not is_read:
            notes.append(BAD_EXIF)
        image: Image.Image = opened
        if deep is not None:
            image = Image.fromarray(eight_bits(deep, form.values or (0, 255)))
            if deep.ndim == 3 and deep.shape[-1] == 4:
                image.putalpha(Image.fromarray(eight_bits(deep[..., 3], (0, 65535))))
        if image.has_transparency_data:
            image = _on_white(image, notes)
        image = _upright(image, turned).convert("L" if form.grey else "RGB")
    height, width = sides(form.side)
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[np.newaxis] if form.grey else array.transpose(2, 0, 1)


def eight_bits(array: NDArray[np.generic], values: tuple[float, float]) -> NDArray[np.uint8]:
    """`values` (lowest, highest) spread over 0 to 255; what is beyond is cut off, NaN is 0."""
    low, high = values
    scaled = (array.astype(np.float64) - low) * (255 / (high - low) if high > low else 0)
    clipped = np.nan_to_num(scaled, nan=0, posinf=255, neginf=0).clip(0, 255)
    return np.asarray(np.rint(clipped), np.uint8)


def _on_white(image: Image, notes: list[str]) -> Image:
    from PIL import Image as Pillow

    coloured = image.convert("RGBA")
    if coloured.getchannel("A").getextrema() == (255, 255):
        return coloured
    notes.append(TRANSPARENT)
    white = Pillow.new("RGBA", coloured.size, "white")
    white.alpha_composite(coloured)
    return white


def _upright(image: Image, turned: int) -> Image:
    from PIL.Image import Transpose

    method = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(turned)
    return image if method is None else image.transpose(method)
