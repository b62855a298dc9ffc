"""MobileNetV1 (Howard 2017), V2 (Sandler 2018) and V3 (Howard 2019).

V3 at other widths follows TensorFlow's rule: the expansion ratio is kept, and the last hidden
linear layer is not scaled. torchvision's rule (`_torchvision`) scales that layer and the published
number of expanded channels, which makes another network.
"""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from nas.blocks import Block, make_divisible
from nas.references.mbconv import FAMILIES, mbconv
from nas.references.table import Layout, Published, Reference, by_stride, classifier

V1_PAPER = "Howard et al. 2017, MobileNets"
V2_PAPER = "Sandler et al. 2018, MobileNetV2"
V2_SLIM = "TensorFlow research/slim, nets/mobilenet"
V3_PAPER = "Howard et al. 2019, Searching for MobileNetV3 (v5)"

# Output channels and stride.
V1_ROWS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)


class V3Row(NamedTuple):
    """A row of V3's tables: kernel, expansion ratio, output channels, whether it has
    squeeze-and-excitation, activation, stride."""

    kernel: int
    expansion: float
    out: int
    se: bool
    act: str
    stride: int


V3_LARGE = (
    V3Row(3, 1, 16, False, "relu", 1),
    V3Row(3, 4, 24, False, "relu", 2),
    V3Row(3, 3, 24, False, "relu", 1),
    V3Row(5, 3, 40, True, "relu", 2),
    V3Row(5, 3, 40, True, "relu", 1),
    V3Row(5, 3, 40, True, "relu", 1),
    V3Row(3, 6, 80, False, "hswish", 2),
    V3Row(3, 2.5, 80, False, "hswish", 1),
    V3Row(3, 2.3, 80, False, "hswish", 1),
    V3Row(3, 2.3, 80, False, "hswish", 1),
    V3Row(3, 6, 112, True, "hswish", 1),
    V3Row(3, 6, 112, True, "hswish", 1),
    V3Row(5, 6, 160, True, "hswish", 2),
    V3Row(5, 6, 160, True, "hswish", 1),
    V3Row(5, 6, 160, True, "hswish", 1),
)
V3_SMALL = (
    V3Row(3, 1, 16, True, "relu", 2),
    V3Row(3, 4.5, 24, False, "relu", 2),
    V3Row(3, 3.67, 24, False, "relu", 1),
    V3Row(5, 4, 40, True, "hswish", 2),
    V3Row(5, 6, 40, True, "hswish", 1),
    V3Row(5, 6, 40, True, "hswish", 1),
    V3Row(5, 3, 48, True, "hswish", 1),
    V3Row(5, 3, 48, True, "hswish", 1),
    V3Row(5, 6, 96, True, "hswish", 2),
    V3Row(5, 6, 96, True, "hswish", 1),
    V3Row(5, 6, 96, True, "hswish", 1),
)


def v1(width: float, classes: int, rows: Iterable[tuple[int, int]] = V1_ROWS) -> Layout:
    stem = Block("conv", out=int(32 * width), stride=2)
    blocks = (Block("depthwise", out=int(out * width), stride=stride) for out, stride in rows)
    return Layout((stem,), by_stride(blocks), classifier(classes))


def v2(width: float, classes: int) -> Layout:
    return mbconv(FAMILIES["mobilenet_v2"], width, 1, classes)


def v3(
    table: tuple[V3Row, ...],
    wide: int,
    width: float,
    classes: int,
    torchvision: bool = False,
    minimal: bool = False,
) -> Layout:
    """`minimal` is TensorFlow's variant of 3x3 kernels and ReLU without squeeze-and-excitation."""
    if minimal:
        table = tuple(row._replace(kernel=3, se=False, act="relu") for row in table)
    c, full = make_divisible(16 * width), 16
    act = "relu" if minimal else "hswish"
    stem = Block("conv", out=c, stride=2, act=act)
    rows = []
    for row in table:
        hidden, out = make_divisible(c * row.expansion), make_divisible(row.out * width)
        if torchvision:
            hidden = make_divisible(make_divisible(full * row.expansion) * width)
        se = make_divisible(hidden / 4) if row.se else 0
        settings = {"kernel": row.kernel, "stride": row.stride, "se": se}
        expanded = hidden if row.expansion > 1 else 0
        rows.append(Block("inverted", out=out, hidden=expanded, act=row.act, **settings))
        c, full = out, row.out
    last = Block("conv", out=make_divisible(6 * table[-1].out * width), kernel=1, act=act)
    gap, linear = classifier(classes)
    wide = make_divisible(wide * width) if torchvision else wide
    head = (last, gap, Block("linear", out=wide, act=act), linear)
    return Layout((stem,), by_stride(rows), head)


v3_large, v3_small = partial(v3, V3_LARGE, 1280), partial(v3, V3_SMALL, 1024)

NETWORKS = {
    "mobilenet_v1_025": Reference(partial(v1, 0.25), Published(50.6, V1_PAPER)),
    "mobilenet_v1_050": Reference(partial(v1, 0.5), Published(63.7, V1_PAPER)),
    "mobilenet_v1_075": Reference(partial(v1, 0.75), Published(68.4, V1_PAPER)),
    "mobilenet_v1_100": Reference(partial(v1, 1.0), Published(70.6, V1_PAPER)),
    "mobilenet_v2_075": Reference(partial(v2, 0.75), Published(69.8, V2_SLIM)),
    "mobilenet_v2_100": Reference(partial(v2, 1.0), Published(72.0, V2_PAPER)),
    "mobilenet_v2_140": Reference(partial(v2, 1.4), Published(74.7, V2_PAPER)),
    "mobilenet_v3_large_075": Reference(partial(v3_large, 0.75), Published(73.3, V3_PAPER)),
    "mobilenet_v3_large_075_torchvision": Reference(
        partial(v3_large, 0.75, torchvision=True),
        Published(None, "nobody: torchvision has no weights of this width"),
    ),
    "mobilenet_v3_large_100": Reference(partial(v3_large, 1.0), Published(75.2, V3_PAPER)),
    "mobilenet_v3_small_075": Reference(partial(v3_small, 0.75), Published(65.4, V3_PAPER)),
    "mobilenet_v3_small_100": Reference(partial(v3_small, 1.0), Published(67.4, V3_PAPER)),
}
