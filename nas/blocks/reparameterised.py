"""Blocks that are trained with branches and deployed without: RepVGG's (Ding et al. 2021) and
MobileOne's (Vasu et al. 2023)."""

from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("repvgg")
def repvgg(
    net: Builder,
    x: int,
    *,
    out: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    branches: int = 1,
    act: str | None = "relu",
) -> int:
    """One kxk convolution. Trained as `branches` of it, a 1x1 and the input, where shapes allow."""
    return net.conv(x, out, kernel=kernel, stride=stride, groups=groups, branches=branches, act=act)


@repvgg.layer
def _(layer: Layer) -> Settings:
    """Pruning removes filters, which are the next layer's input channels."""
    return {"out": layer.keep(layer.out)}


@block("mobileone")
def mobileone(
    net: Builder,
    x: int,
    *,
    out: int,
    kernel: int = 3,
    stride: int = 1,
    branches: int = 4,
    act: str | None = "relu",
) -> int:
    """A depthwise kxk, then a pointwise 1x1, each trained as `branches` of it and the input, the
    depthwise with a 1x1 beside them."""
    c = net.channels(x)
    h = net.conv(
        x, c, kernel=kernel, stride=stride, groups=c, branches=branches, act=act, name="depthwise"
    )
    return net.conv(h, out, branches=branches, act=act, name="pointwise")


@mobileone.layer
def _(layer: Layer) -> Settings:
    """There is no hidden layer: pruning removes pointwise filters, which are the next layer's input
    channels."""
    return {"out": layer.keep(layer.out)}
