"""Micro-factorised convolutions (MicroNet, Li et al. 2021), without its dynamic activations."""

from math import gcd, lcm

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block, make_divisible
from nas.graph import Builder


@block("micro")
def micro(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 4,
    project_groups: int | None = None,
    se: int = 0,
    attention: str | None = None,
    act: str | None = "relu6",
) -> int:
    """Grouped 1x1 to `hidden`, shuffle, depthwise kx1 and 1xk, optional SE with `se` channels or
    attention, grouped linear 1x1, shuffle. The input is added where the shapes allow it.

    The two grouped 1x1 and the shuffle between them are a matrix of low rank and few entries; the
    two depthwise are one of rank 1. At a stride the depthwise is kxk: strided in one direction
    only, the first would hand on what the second drops. `project_groups` None means `groups`.
    """
    h = net.conv(x, hidden, groups=groups, act=act, name="expand")
    h = net.shuffle(h, groups)
    if stride > 1:
        h = net.depthwise(h, kernel=kernel, stride=stride, act=act)
    else:
        h = net.depthwise(h, kernel=(kernel, 1), act=None, name="rows")
        h = net.depthwise(h, kernel=(1, kernel), act=act, name="columns")
    after = project_groups or groups
    h = net.conv(attend(net, h, se, attention), out, groups=after, act=None, name="project")
    h = net.shuffle(h, after)
    return net.add(x, h) if stride == 1 and out == net.channels(x) else h


@micro.layer
def _(layer: Layer, *, expansion: float = 6.0, se: float = 0.0, groups: int = 4) -> Settings:
    """Pruning removes expanded channels, which stay divisible by the groups and by the space's
    divisor. Widths that the groups do not divide get the most groups, up to them, that do; `se` is
    the ratio of the SE's channels to the expanded ones."""
    first, second = gcd(groups, layer.in_channels), gcd(groups, layer.out)
    channels = layer.left(expansion * layer.in_channels)
    hidden = make_divisible(channels, lcm(layer.divisor, first, second))
    settings: Settings = {"hidden": hidden, "groups": first, "project_groups": second}
    return {**settings, "se": se_channels(layer, se, hidden)}
