"""SqueezeNet (Iandola et al. 2016): no norms, no padding in the stem.

The layouts are torchvision's. `_caffe` is the authors' release, for 227 pixels and with a padded
last convolution, whose border counts in the average.
"""

from functools import partial

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, by_stride

POOL = Block("maxpool", padding=0, ceil=True)

# Squeeze channels of each Fire module, whose output is eight times as wide; 0 is a pooling.
ROWS_1_0 = (0, 16, 16, 32, 0, 32, 48, 48, 64, 0, 64)
ROWS_1_1 = (0, 16, 16, 0, 32, 32, 0, 48, 48, 64, 64)


def _squeezenet(
    stem: Block, squeezes: tuple[int, ...], classes: int, padding: int | None = None
) -> Layout:
    rows = (Block("fire", out=8 * s, squeeze=s, norm=False) if s else POOL for s in squeezes)
    last = Block("conv", out=classes, kernel=1, padding=padding, norm=False)
    return Layout((stem,), by_stride(rows), (last, Block("gap")))


STEM_1_0 = Block("conv", out=96, kernel=7, stride=2, padding=0, norm=False)
STEM_1_1 = Block("conv", out=64, kernel=3, stride=2, padding=0, norm=False)

NETWORKS = {
    "squeezenet1_0": Reference(
        partial(_squeezenet, STEM_1_0, ROWS_1_0), Published(58.092, TORCHVISION)
    ),
    "squeezenet1_0_caffe": Reference(
        partial(_squeezenet, STEM_1_0, ROWS_1_0, padding=1),
        Published(57.5, "Iandola et al. 2016, SqueezeNet, as quoted in later comparisons"),
        resolution=227,
    ),
    "squeezenet1_1": Reference(
        partial(_squeezenet, STEM_1_1, ROWS_1_1), Published(58.178, TORCHVISION)
    ),
}
