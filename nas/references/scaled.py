"""Published families at any width, depth and resolution: points scaled by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nas.architecture import Architecture, check_size
from nas.references import ghostnet, lcnet, mobilenet, shufflenet, squeezenext
from nas.references.mbconv import FAMILIES as MBCONV
from nas.references.mbconv import mbconv
from nas.references.table import Layout
from nas.resolution import Resolution, read_resolution
from nas.support.errors import NasError, check_one_of

LARGEST = 16.0  # multiplier

# Output channels, stride (FD-MobileNet, Qin et al. 2018).
FD_ROWS = ((64, 2), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 4, (1024, 1))
SHUFFLE_V1 = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # groups: channels of the first stage


def _shuffle_v1(groups: int, width: float, classes: int) -> Layout:
    """Channels stay divisible by the groups of both grouped convolutions of a unit."""
    unit = 4 * groups
    out = max(unit, round(SHUFFLE_V1[groups] * width / unit) * unit)
    stem = max(groups, round(24 * width / groups) * groups)
    return shufflenet.shufflenet_v1(stem, out, classes, groups=groups)


def _squeezenext(repeats: tuple[int, ...], width: float, classes: int) -> Layout:
    return squeezenext.squeezenext(repeats, classes, bias=True, width=width)


WIDTHS: dict[str, Callable[[float, int], Layout]] = {
    "mobilenet_v1": mobilenet.v1,
    "fd_mobilenet": partial(mobilenet.v1, rows=FD_ROWS),
    "mobilenet_v3_large": mobilenet.v3_large,
    "mobilenet_v3_small": mobilenet.v3_small,
    "mobilenet_v3_large_minimal": partial(mobilenet.v3_large, minimal=True),
    "mobilenet_v3_small_minimal": partial(mobilenet.v3_small, minimal=True),
    "lcnet": lcnet.lcnet,
    "ghostnet": ghostnet.ghostnet,
    "squeezenext": partial(_squeezenext, squeezenext.REPEATS),
    "squeezenext_v5": partial(_squeezenext, squeezenext.REPEATS_V5),
    **{f"shufflenet_v1_g{groups}": partial(_shuffle_v1, groups) for groups in SHUFFLE_V1},
}


def family_names() -> list[str]:
    """The families that `scaled` knows."""
    return [*MBCONV, *WIDTHS]


def scaled(
    family: str,
    width: float = 1.0,
    depth: float = 1.0,
    resolution: Resolution = 224,
    classes: int = 1000,
) -> Architecture:
    """A family's network with its channels times `width` and, of families of inverted residuals
    (`mbconv`), its repeats times `depth`.

    Errors: `NasError` with the nearest name, or a number and its rule.
    """
    for name, value in (("width", width), ("depth", depth)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value <= LARGEST:
            raise NasError(f"{name} must be above 0 and at most {LARGEST:g}, not {value!r:.40}")
    size, classes = read_resolution(resolution), check_size(classes, "classes")
    check_one_of("family", family, family_names())
    if family in MBCONV:
        layout = mbconv(MBCONV[family], width, depth, classes)
    elif depth != 1:
        raise NasError(f"depth must be 1 for {family}, not {depth}: its rows are fixed")
    else:
        layout = WIDTHS[family](width, classes)
    return Architecture(size, *layout)
