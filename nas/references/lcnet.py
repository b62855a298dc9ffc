"""PP-LCNet (Cui et al. 2021). Its block is a depthwise separable convolution with h-swish and, in
the last stage, squeeze-and-excitation: the block `depthwise`."""

from functools import partial

from nas.blocks import Block, make_divisible
from nas.references.table import Layout, Published, Reference, by_stride, classifier

PAPER = "Cui et al. 2021, PP-LCNet"
# Kernel, output channels, stride, whether it has squeeze-and-excitation.
ROWS = (
    (3, 32, 1, False),
    (3, 64, 2, False),
    (3, 64, 1, False),
    (3, 128, 2, False),
    (3, 128, 1, False),
    (3, 256, 2, False),
    *[(5, 256, 1, False)] * 5,
    (5, 512, 2, True),
    (5, 512, 1, True),
)


def lcnet(width: float, classes: int) -> Layout:
    """The network with its channels times `width`, but the 1,280 of the hidden layer."""
    c = make_divisible(16 * width)
    stem, rows = Block("conv", out=c, stride=2, act="hswish"), []
    for kernel, out, stride, has_se in ROWS:
        se, c_out = make_divisible(c / 4) if has_se else 0, make_divisible(out * width)
        settings = {"kernel": kernel, "stride": stride, "se": se}
        rows.append(Block("depthwise", out=c_out, act="hswish", **settings))
        c = c_out
    gap, linear = classifier(classes)
    head = (gap, Block("linear", out=1280, act="hswish"), linear)
    return Layout((stem,), by_stride(rows), head)


NETWORKS = {
    "lcnet_050": Reference(partial(lcnet, 0.5), Published(63.14, PAPER)),
    "lcnet_100": Reference(partial(lcnet, 1.0), Published(71.32, PAPER)),
}
