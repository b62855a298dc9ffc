"""Inverted residual (MobileNetV2, Sandler 2018; with SE and h-swish MobileNetV3, Howard 2019)."""

from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("inverted")
def inverted(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int,
    kernel: int = 3,
    stride: int = 1,
    se: int = 0,
    act: str | None = "relu6",
) -> int:
    """1x1 expand to `hidden`, depthwise kxk, optional SE with `se` channels, linear 1x1 project.

    The expand is absent where `hidden` equals the input channels; the input is added where the
    shapes allow it.
    """
    c = net.channels(x)
    h = x if hidden == c else net.conv(x, hidden, act=act, name="expand")
    h = net.depthwise(h, kernel=kernel, stride=stride, act=act)
    if se:
        h = net.squeeze_excite(h, se)
    h = net.conv(h, out, act=None, name="project")
    return net.add(x, h) if stride == 1 and out == c else h


@inverted.layer
def _(layer: Layer, *, expansion: float = 6.0, se: float = 0.0) -> Settings:
    """Pruning removes expanded channels; `se` is the ratio of the SE's channels to them."""
    hidden = layer.keep(expansion * layer.in_channels)
    return {"hidden": hidden, "se": layer.round(se * hidden) if se else 0}
