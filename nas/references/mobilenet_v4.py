"""MobileNetV4-Conv (Qin et al. 2024), small and medium."""

from functools import partial
from typing import NamedTuple

from nas.architecture import Rows
from nas.blocks import Block
from nas.references.table import Layout, Published, Reference, by_stride, classifier

PAPER = "Qin et al. 2024, MobileNetV4"
WIDE, LAST = 1280, 960


class Uib(NamedTuple):
    """Rows of the paper's tables: kernels of the first and of the second depthwise (0: none),
    expansion, output channels, stride of the first, repeats."""

    start: int
    kernel: int
    expansion: int
    out: int
    stride: int = 1
    repeats: int = 1


SMALL = (
    Uib(5, 5, 3, 96, 2),
    Uib(0, 3, 2, 96, repeats=4),
    Uib(3, 0, 4, 96),
    Uib(3, 3, 6, 128, 2),
    Uib(5, 5, 4, 128),
    Uib(0, 5, 4, 128),
    Uib(0, 5, 3, 128),
    Uib(0, 3, 4, 128, repeats=2),
)
MEDIUM = (
    Uib(3, 5, 4, 80, 2),
    Uib(3, 3, 2, 80),
    Uib(3, 5, 6, 160, 2),
    Uib(3, 3, 4, 160, repeats=2),
    Uib(3, 5, 4, 160),
    Uib(3, 3, 4, 160),
    Uib(3, 0, 4, 160),
    Uib(0, 0, 2, 160),
    Uib(3, 0, 4, 160),
    Uib(5, 5, 6, 256, 2),
    Uib(5, 5, 4, 256),
    Uib(3, 5, 4, 256, repeats=2),
    Uib(0, 0, 4, 256),
    Uib(3, 0, 4, 256),
    Uib(3, 5, 2, 256),
    Uib(5, 5, 4, 256),
    Uib(0, 0, 4, 256, repeats=2),
    Uib(5, 0, 2, 256),
)
# What stands before them. The medium one's is a "fused" bottleneck: its expand is the 3x3.
SMALL_ENTRY = (
    Block("conv", out=32, stride=2),
    Block("conv", out=32, kernel=1),
    Block("conv", out=96, stride=2),
    Block("conv", out=64, kernel=1),
)
MEDIUM_ENTRY = (
    Block("conv", out=128, stride=2),
    Block("conv", out=48, kernel=1, act=None),
)


def _layout(entry: Rows, table: tuple[Uib, ...], c: int, classes: int) -> Layout:
    """The rows of a network whose entry gives `c` channels."""
    rows = list(entry)
    for row in table:
        for i in range(row.repeats):
            stride = row.stride if i == 0 else 1
            kernels = {"start": row.start, "kernel": row.kernel}
            hidden = c * row.expansion
            rows.append(Block("uib", out=row.out, hidden=hidden, stride=stride, **kernels))
            c = row.out
    gap, linear = classifier(classes)
    wide = Block("conv", out=WIDE, kernel=1)
    head = (Block("conv", out=LAST, kernel=1), gap, wide, linear)
    return Layout((Block("conv", out=32, stride=2),), by_stride(rows), head)


NETWORKS = {
    "mobilenet_v4_conv_small": Reference(
        partial(_layout, SMALL_ENTRY, SMALL, 64), Published(73.8, PAPER)
    ),
    "mobilenet_v4_conv_medium": Reference(
        partial(_layout, MEDIUM_ENTRY, MEDIUM, 48), Published(79.9, PAPER), resolution=256
    ),
}
