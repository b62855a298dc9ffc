"""ShuffleNetV1 unit (Zhang et al. 2018)."""

from math import lcm

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block, make_divisible
from nas.graph import Builder


@block("shuffle_v1")
def shuffle_v1(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int,
    kernel: int = 3,
    stride: int = 1,
    se: int = 0,
    attention: str | None = None,
    groups: int = 2,
    expand_groups: int | None = None,
) -> int:
    """Grouped 1x1 to `hidden`, shuffle, depthwise kxk, grouped linear 1x1, beside a shortcut.

    A strided unit concatenates the average-pooled input where `out` leaves room for it; any other
    adds the input, which a 1x1 projects where the shape changes. `expand_groups` is for the first
    unit of a network, whose input has few channels: None means `groups`. An optional SE with `se`
    channels or attention follows the depthwise.
    """
    c = net.channels(x)
    h = net.conv(x, hidden, groups=expand_groups or groups, name="expand")
    h = net.depthwise(net.shuffle(h, groups), kernel=kernel, stride=stride, act=None)
    h = attend(net, h, se, attention)
    if stride > 1 and out > c:
        h = net.conv(h, out - c, groups=groups, name="project")
        return net.concat(net.avgpool(x, kernel=3, stride=stride, padding=1), h)
    h = net.conv(h, out, groups=groups, act=None, name="project")
    if stride > 1 or out != c:
        x = net.conv(x, out, stride=stride, act=None, name="shortcut")
    return net.add(h, x, act="relu")


@shuffle_v1.layer
def _(layer: Layer, *, squeeze: float = 0.25, se: float = 0.0, groups: int = 2) -> Settings:
    """Pruning removes channels of the depthwise, so of both grouped 1x1 convolutions around it;
    `squeeze` is their ratio to `out`, `se` that of the SE's channels to them. They stay divisible
    by the groups and by the space's divisor."""
    hidden = make_divisible(layer.left(squeeze * layer.out), lcm(layer.divisor, groups))
    return {"hidden": hidden, "groups": groups, "se": se_channels(layer, se, hidden)}
