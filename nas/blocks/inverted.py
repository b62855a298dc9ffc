"""Inverted residual (MobileNetV2, Sandler 2018; with SE and h-swish MobileNetV3, Howard 2019)."""

from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("inverted")
def inverted(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int = 0,
    kernel: int = 3,
    stride: int = 1,
    se: int = 0,
    act: str | None = "relu6",
) -> int:
    """1x1 expand to `hidden`, depthwise kxk, optional SE with `se` channels, linear 1x1 project.

    `hidden` 0 means no expand: the depthwise convolution takes the input itself. The input is
    added where the shapes allow it.
    """
    h = net.conv(x, hidden, act=act, name="expand") if hidden else x
    h = net.depthwise(h, kernel=kernel, stride=stride, act=act)
    if se:
        h = net.squeeze_excite(h, se)
    h = net.conv(h, out, act=None, name="project")
    return net.add(x, h) if stride == 1 and out == net.channels(x) else h


@inverted.layer
def _(layer: Layer, *, expansion: float = 6.0, se: float = 0.0) -> Settings:
    """Pruning removes expanded channels, of which expansion 1 has none; `se` is the ratio of the
    SE's channels to the channels that it gates."""
    hidden = layer.keep(expansion * layer.in_channels) if expansion != 1 else 0
    gate = layer.round(se * (hidden or layer.in_channels)) if se else 0
    return {"hidden": hidden, "se": gate}
