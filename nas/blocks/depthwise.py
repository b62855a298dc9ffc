"""Depthwise separable convolution (MobileNetV1, Howard et al. 2017)."""

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("depthwise")
def depthwise(
    net: Builder,
    x: int,
    *,
    out: int,
    kernel: int = 3,
    stride: int = 1,
    se: int = 0,
    attention: str | None = None,
    act: str | None = "relu",
) -> int:
    """A depthwise kxk, optional SE with `se` channels or attention, then a pointwise 1x1."""
    spatial = net.depthwise(x, kernel=kernel, stride=stride, act=act)
    return net.conv(attend(net, spatial, se, attention), out, act=act, name="pointwise")


@depthwise.layer
def _(layer: Layer, *, se: float = 0.0) -> Settings:
    """There is no hidden layer and no shortcut: pruning removes pointwise filters, which are the
    next layer's input channels. `se` is the ratio of the SE's channels to the input's."""
    return {"out": layer.keep(layer.out), "se": se_channels(layer, se, layer.in_channels)}
