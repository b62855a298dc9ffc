"""Small folders of images to test with; no two files are equal unless they are copied."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_NUMBERS = count()


def photo(path: Path, size: tuple[int, int] = (12, 12), **options: Any) -> Path:
    """A file of random colours, the kind of which its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(next(_NUMBERS))
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def photos(folder: Path, number: int = 4, suffix: str = ".png") -> Path:
    """That many images in a folder."""
    for i in range(number):
        photo(folder / f"{i:02}{suffix}")
    return folder


def classes(folder: Path, names: str = "cat dog", number: int = 4) -> Path:
    """A folder with a folder of images for each name."""
    for name in names.split():
        photos(folder / name, number)
    return folder
