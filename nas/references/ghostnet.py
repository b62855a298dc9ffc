"""GhostNet (Han et al. 2020)."""

from functools import partial
from typing import NamedTuple

from nas.blocks import Block, make_divisible
from nas.references.table import Layout, Published, Reference, by_stride, classifier

PAPER = "Han et al. 2020, GhostNet"


class Row(NamedTuple):
    """A row of the paper's table: kernel, expanded channels, output channels, whether it has
    squeeze-and-excitation, stride."""

    kernel: int
    expanded: int
    out: int
    se: bool
    stride: int


ROWS = (
    Row(3, 16, 16, False, 1),
    Row(3, 48, 24, False, 2),
    Row(3, 72, 24, False, 1),
    Row(5, 72, 40, True, 2),
    Row(5, 120, 40, True, 1),
    Row(3, 240, 80, False, 2),
    Row(3, 200, 80, False, 1),
    Row(3, 184, 80, False, 1),
    Row(3, 184, 80, False, 1),
    Row(3, 480, 112, True, 1),
    Row(3, 672, 112, True, 1),
    Row(5, 672, 160, True, 2),
    Row(5, 960, 160, False, 1),
    Row(5, 960, 160, True, 1),
    Row(5, 960, 160, False, 1),
    Row(5, 960, 160, True, 1),
)


def ghostnet(width: float, classes: int) -> Layout:
    def scaled(channels: int) -> int:
        return make_divisible(width * channels, 4)

    def ghost(row: Row) -> Block:
        hidden = scaled(row.expanded)
        return Block(
            "ghost",
            out=scaled(row.out),
            hidden=hidden,
            kernel=row.kernel,
            stride=row.stride,
            se=make_divisible(hidden / 4, 4) if row.se else 0,
        )

    last = Block("conv", out=scaled(960), kernel=1)
    gap, linear = classifier(classes)
    head = (last, gap, Block("linear", out=1280, act="relu"), linear)
    return Layout((Block("conv", out=scaled(16), stride=2),), by_stride(map(ghost, ROWS)), head)


NETWORKS = {
    "ghostnet_050": Reference(partial(ghostnet, 0.5), Published(66.2, PAPER)),
    "ghostnet_100": Reference(partial(ghostnet, 1.0), Published(73.9, PAPER)),
    "ghostnet_130": Reference(partial(ghostnet, 1.3), Published(75.7, PAPER)),
}
