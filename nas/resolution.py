"""`Resolution`: the size of images in pixels: of squares their side, of others HEIGHTxWIDTH.

So 224 and "96x160" are the same in JSON, YAML, a study's options and on a command line.
"""

from __future__ import annotations

from math import prod, sqrt

from nas.support.errors import NasError, as_whole
from nas.support.text import whole_number

Resolution = int | str
MAX_RESOLUTION = 4096  # far beyond any that is of use


def read_resolution(value: object) -> Resolution:
    """A resolution from outside: a whole number, also as text, HEIGHTxWIDTH, or the pair of them.

    One resolution is always written alike. Errors: `NasError` with the value and the rule.

    >>> read_resolution("96X160"), read_resolution("96x96"), read_resolution((49, 10))
    ('96x160', 96, '49x10')
    """
    sizes: list[object] = [value]
    if isinstance(value, str):
        sizes = [whole_number(size) for size in value.lower().split("x")]
    elif isinstance(value, tuple) and len(value) == 2:
        sizes = [*value]
    numbers = map(as_whole, sizes)
    found = [size for size in numbers if size is not None and 1 <= size <= MAX_RESOLUTION]
    if len(found) < len(sizes) or len(found) > 2:
        rule = f"a whole number or HEIGHTxWIDTH, of 1 to {MAX_RESOLUTION}"
        raise NasError(f"resolution must be {rule}, not {value!r:.40}")
    return resolution_of(found[0], found[-1])


def resolution_of(height: int, width: int) -> Resolution:
    """The resolution of images of so many pixels."""
    return height if height == width else f"{height}x{width}"


def sides(resolution: Resolution) -> tuple[int, int]:
    """Height and width in pixels.

    >>> sides(224), sides("96x160")
    ((224, 224), (96, 160))
    """
    if isinstance(resolution, int):
        return resolution, resolution
    height, width = resolution.split("x")
    return int(height), int(width)


def area(resolution: Resolution) -> int:
    """The number of pixels.

    >>> area(224), area("96x160")
    (50176, 15360)
    """
    return prod(sides(resolution))


def in_words(resolution: Resolution) -> str:
    """HEIGHTxWIDTH, of a square too.

    >>> in_words(96), in_words("96x160")
    ('96x96', '96x160')
    """
    return "{}x{}".format(*sides(resolution))


def mean_side(resolution: Resolution) -> float:
    """The side in pixels of the square of the same area: by it resolutions are ordered."""
    height, width = sides(resolution)
    return sqrt(height * width)


def scaled(resolution: Resolution, share: float) -> Resolution:
    """The resolution with both sides times a share, of one pixel or more."""
    height, width = (max(1, round(side * share)) for side in sides(resolution))
    return resolution_of(height, width)
