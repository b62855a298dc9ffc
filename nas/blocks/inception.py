"""Inception module (GoogLeNet, Szegedy et al. 2015)."""

from nas.blocks.registry import block
from nas.graph import Builder


@block("inception")
def inception(
    net: Builder,
    x: int,
    *,
    single: int,
    reduce3: int,
    out3: int,
    reduce5: int,
    out5: int,
    pooled: int,
    kernel5: int = 5,
    ceil: bool = True,
    norm: bool = True,
) -> int:
    """Four branches side by side, concatenated: a 1x1 to `single` channels; a 1x1 to `reduce3` and
    a 3x3 to `out3`; a 1x1 to `reduce5` and a 5x5 (torchvision: 3x3) to `out5`; a max pooling of
    stride 1 and a 1x1 to `pooled`."""
    first = net.conv(x, single, norm=norm, name="single")
    three = net.conv(x, reduce3, norm=norm, name="reduce3")
    three = net.conv(three, out3, kernel=3, norm=norm, name="conv3")
    five = net.conv(x, reduce5, norm=norm, name="reduce5")
    five = net.conv(five, out5, kernel=kernel5, norm=norm, name="conv5")
    last = net.conv(net.maxpool(x, stride=1, ceil=ceil), pooled, norm=norm, name="pooled")
    return net.concat(first, three, five, last)
