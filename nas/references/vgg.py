"""AlexNet (Krizhevsky 2014) and VGG (Simonyan and Zisserman 2015) as in torchvision.

`alexnet_caffe` is the first one (Krizhevsky et al. 2012) as released by BVLC, for 227 pixels:
wider, in two groups. Its two local response normalisations have no weights and are left out.

torchvision pools adaptively to a fixed size before the classifier, which changes nothing at 224 by
224 pixels. Here that pooling is left out, so at another resolution the first fully connected layer
has another number of inputs than torchvision's.
"""

from functools import partial

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, by_stride

WIDTHS = (64, 128, 256, 512, 512)


def _conv(
    out: int, kernel: int, stride: int = 1, padding: int | None = None, groups: int = 1
) -> Block:
    return Block(
        "conv", out=out, kernel=kernel, stride=stride, padding=padding, groups=groups, norm=False
    )


def _classifier(classes: int) -> tuple[Block, ...]:
    wide = Block("linear", out=4096, act="relu")
    return (wide, wide, Block("linear", out=classes))


def _alexnet(classes: int) -> Layout:
    pool = Block("maxpool", padding=0)
    rows = (pool, _conv(192, 5), pool, _conv(384, 3), _conv(256, 3), _conv(256, 3), pool)
    return Layout((_conv(64, 11, stride=4, padding=2),), by_stride(rows), _classifier(classes))


def _alexnet_caffe(classes: int) -> Layout:
    pool = Block("maxpool", padding=0)
    last = (_conv(384, 3), _conv(384, 3, groups=2), _conv(256, 3, groups=2), pool)
    rows = (pool, _conv(256, 5, groups=2), pool, *last)
    return Layout((_conv(96, 11, stride=4, padding=0),), by_stride(rows), _classifier(classes))


def _vgg(repeats: tuple[int, ...], norm: bool, classes: int) -> Layout:
    pool = Block("maxpool", kernel=2, padding=0)
    stages = tuple(
        (*[Block("conv", out=out, norm=norm, bias=True)] * n, pool)
        for out, n in zip(WIDTHS, repeats, strict=True)
    )
    return Layout((), stages, _classifier(classes))


NETWORKS = {
    "alexnet": Reference(_alexnet, Published(56.522, TORCHVISION)),
    "alexnet_caffe": Reference(
        _alexnet_caffe,
        Published(57.1, "BVLC's Caffe model zoo, bvlc_alexnet"),
        resolution=227,
    ),
    **{
        name: Reference(partial(_vgg, repeats, name.endswith("_bn")), Published(top1, TORCHVISION))
        for name, repeats, top1 in (
            ("vgg11", (1, 1, 2, 2, 2), 69.020),
            ("vgg13", (2, 2, 2, 2, 2), 69.928),
            ("vgg16", (2, 2, 3, 3, 3), 71.592),
            ("vgg19", (2, 2, 4, 4, 4), 72.376),
            ("vgg11_bn", (1, 1, 2, 2, 2), 70.370),
            ("vgg13_bn", (2, 2, 2, 2, 2), 71.586),
            ("vgg16_bn", (2, 2, 3, 3, 3), 73.360),
            ("vgg19_bn", (2, 2, 4, 4, 4), 74.218),
        )
    },
}
