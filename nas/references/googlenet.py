"""GoogLeNet (Szegedy et al. 2015) without its auxiliary classifiers.

As in torchvision: norms, and a 3x3 where the paper has a 5x5; `_caffe` is BVLC's, with the paper's
5x5, without norms. Its two local response normalisations have no weights and are left out.
"""

from functools import partial

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, by_stride, classifier

# Channels of the branches: 1x1; 1x1 and 3x3; 1x1 and 5x5; behind the pooling. None is a pooling.
ROWS = (
    None,
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    None,
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    None,
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)
BRANCHES = ("single", "reduce3", "out3", "reduce5", "out5", "pooled")


def _googlenet(kernel5: int, norm: bool, classes: int) -> Layout:
    pool = Block("maxpool", padding=0, ceil=True)
    small = Block("maxpool", kernel=2, padding=0, ceil=True) if norm else pool
    convs = (
        Block("conv", out=64, kernel=1, norm=norm),
        Block("conv", out=192, norm=norm),
    )
    rows = []
    for i, widths in enumerate(ROWS):
        if widths is None:
            rows.append(small if i == len(ROWS) - 3 else pool)
        else:
            settings = dict(zip(BRANCHES, widths, strict=True))
            rows.append(Block("inception", **settings, kernel5=kernel5, norm=norm))
    stem = Block("conv", out=64, kernel=7, stride=2, norm=norm)
    return Layout((stem,), by_stride([pool, *convs, *rows]), classifier(classes))


NETWORKS = {
    "googlenet": Reference(partial(_googlenet, 3, True), Published(69.778, TORCHVISION)),
    "googlenet_caffe": Reference(
        partial(_googlenet, 5, False), Published(68.7, "BVLC's Caffe model zoo, bvlc_googlenet")
    ),
}
