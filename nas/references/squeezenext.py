"""1.0-SqueezeNext-23 (Gholami et al. 2018) and its version 5.

The authors' Caffe layout (`_caffe`) has no biases and is for 227 pixels, without padding in the
stem. The plain names are the same layout for 224 pixels with padding 1. imgclsmob's layout
(`_imgclsmob`) has that padding, and biases in the classifier and in every convolution, before its
norm. The authors swap the factorised convolutions in every other unit; here 1x3 always comes first,
at the same cost.
"""

from functools import partial

from nas.blocks import Block
from nas.references.table import Layout, Published, Reference, classifier

PAPER = "Gholami et al. 2018, SqueezeNext, as quoted in later comparisons"
IMGCLSMOB = "imgclsmob's weights"
IMGCLSMOB_BIASED = f"{IMGCLSMOB}, which have convolution biases too"
WIDTHS = (32, 64, 128, 256)
REPEATS, REPEATS_V5 = (6, 6, 8, 1), (2, 4, 14, 1)


def squeezenext(
    repeats: tuple[int, ...],
    classes: int,
    padding: int = 1,
    bias: bool = False,
    width: float = 1.0,
) -> Layout:
    # The setting is given only where it differs: a convolution with a norm has no bias by default.
    biased = {"bias": True} if bias else {}
    stem = int(64 * width)
    c, stages = stem, []
    for channels, n in zip(WIDTHS, repeats, strict=True):
        out = int(channels * width)
        # The first unit's hidden width is the input's where it strides, a quarter where it narrows.
        unit = partial(Block, "squeezenext", out=out, bias=bias)
        first = unit(hidden=c // 4 if c > out else c, stride=1 + (c < out))
        stages.append((first, *[unit(hidden=out // 2)] * (n - 1)))
        c = out
    conv = Block("conv", out=stem, kernel=7, stride=2, padding=padding, **biased)
    last = Block("conv", out=int(128 * width), kernel=1, **biased)
    pool = Block("maxpool", padding=0, ceil=True)
    return Layout((conv, pool), tuple(stages), (last, *classifier(classes, bias)))


NETWORKS = {
    "squeezenext_1_0_23": Reference(partial(squeezenext, REPEATS), Published(59.05, PAPER)),
    "squeezenext_1_0_23_caffe": Reference(
        partial(squeezenext, REPEATS, padding=0), Published(59.05, PAPER), resolution=227
    ),
    "squeezenext_1_0_23_imgclsmob": Reference(
        partial(squeezenext, REPEATS, bias=True), Published(57.75, IMGCLSMOB)
    ),
    "squeezenext_1_0_23_v5": Reference(
        partial(squeezenext, REPEATS_V5), Published(59.57, IMGCLSMOB_BIASED)
    ),
    "squeezenext_1_0_23_v5_imgclsmob": Reference(
        partial(squeezenext, REPEATS_V5, bias=True), Published(59.57, IMGCLSMOB)
    ),
}
