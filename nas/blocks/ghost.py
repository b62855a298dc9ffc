"""Ghost bottleneck (GhostNet, Han et al. 2020)."""

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


def ghost_module(net: Builder, x: int, out: int, act: str | None, name: str) -> int:
    """Half of the channels by a 1x1 convolution, the rest by a cheap depthwise 3x3 of these."""
    primary = net.conv(x, -(-out // 2), act=act, name=f"{name}_primary")
    cheap = net.depthwise(primary, act=act, name=f"{name}_cheap")
    return net.crop(net.concat(primary, cheap), out)


@block("ghost")
def ghost(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int,
    kernel: int = 3,
    stride: int = 1,
    se: int = 0,
    attention: str | None = None,
    act: str | None = "relu",
) -> int:
    """Ghost module to `hidden`, a strided depthwise kxk where stride > 1, optional SE with `se`
    channels or attention, linear ghost module to `out`; the shortcut is a depthwise kxk and a 1x1
    where the shape changes."""
    h = ghost_module(net, x, hidden, act, "expand")
    if stride > 1:
        h = net.depthwise(h, kernel=kernel, stride=stride, act=None)
    h = ghost_module(net, attend(net, h, se, attention), out, None, "project")
    if stride > 1 or net.channels(x) != out:
        x = net.depthwise(x, kernel=kernel, stride=stride, act=None, name="shortcut_depthwise")
        x = net.conv(x, out, act=None, name="shortcut")
    return net.add(h, x)


@ghost.layer
def _(layer: Layer, *, expansion: float = 6.0, se: float = 0.0) -> Settings:
    """Pruning removes primary features of the expanding ghost module, each with the ghost that is
    made of it; `se` is the ratio of the SE's channels to the expanded ones."""
    hidden = layer.keep(expansion * layer.in_channels, parts=2)
    return {"hidden": hidden, "se": se_channels(layer, se, hidden)}
