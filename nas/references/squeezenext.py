"""1.0-SqueezeNext-23 (Gholami et al. 2018) and its version 5, for 224 pixels: no biases."""

from functools import partial

from nas.blocks import Block
from nas.references.table import Layout, Published, Reference

WIDTHS = (32, 64, 128, 256)
STEM = (
    Block("conv", out=64, kernel=7, stride=2, padding=1),
    Block("maxpool", padding=0, ceil=True),
)


def _squeezenext(repeats: tuple[int, ...], classes: int) -> Layout:
    c, stages = 64, []
    for out, n in zip(WIDTHS, repeats, strict=True):
        # The first row keeps all channels where it strides and a quarter where it narrows.
        first = Block("squeezenext", out=out, hidden=c // 4 if c > out else c, stride=1 + (c < out))
        stages.append((first, *[Block("squeezenext", out=out, hidden=out // 2)] * (n - 1)))
        c = out
    last = Block("conv", out=128, kernel=1)
    head = (last, Block("gap"), Block("linear", out=classes, bias=False))
    return Layout(STEM, tuple(stages), head)


NETWORKS = {
    "squeezenext_1_0_23": Reference(
        partial(_squeezenext, (6, 6, 8, 1)),
        Published(59.05, "Gholami et al. 2018, SqueezeNext, as quoted in later comparisons"),
    ),
    "squeezenext_1_0_23_v5": Reference(
        partial(_squeezenext, (2, 4, 14, 1)),
        Published(59.57, "imgclsmob's training, which has convolution biases too"),
    ),
}
