"""Bottleneck of grouped convolutions (RegNet, Radosavovic et al. 2020)."""

from nas.blocks.attention import se_channels
from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("regnet")
def regnet(
    net: Builder, x: int, *, out: int, group_width: int = 8, stride: int = 1, se: int = 0
) -> int:
    """1x1, a strided 3x3 in groups of `group_width` channels (or all of them, if they are fewer)
    and a linear 1x1, all of `out` channels, with an optional SE of `se` channels (a sigmoid gate)
    before the last; plus the input, which a 1x1 projects where the shape changes."""
    groups = max(out // max(group_width, 1), 1)
    h = net.conv(x, out, name="reduce")
    h = net.conv(h, out, kernel=3, stride=stride, groups=groups, name="spatial")
    if se:
        h = net.squeeze_excite(h, se, gate="sigmoid")
    h = net.conv(h, out, act=None, name="expand")
    if stride > 1 or net.channels(x) != out:
        x = net.conv(x, out, stride=stride, act=None, name="shortcut")
    return net.add(h, x, act="relu")


@regnet.layer
def _(layer: Layer, *, se: float = 0.0) -> Settings:
    """Pruning removes nothing: all widths are the layer's own. `se` is the ratio of the SE's
    channels to the input's."""
    return {"se": se_channels(layer, se, layer.in_channels)}
