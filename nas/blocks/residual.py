"""Residual blocks (ResNet, He et al. 2016): basic and bottleneck."""

from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


def _shortcut(net: Builder, x: int, h: int, stride: int, act: str | None) -> int:
    """`h` plus `x`, which a 1x1 projects where the shapes differ."""
    if stride > 1 or net.channels(x) != net.channels(h):
        x = net.conv(x, net.channels(h), stride=stride, act=None, name="shortcut")
    return net.add(h, x, act=act)


@block("basic")
def basic(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int,
    kernel: int = 3,
    stride: int = 1,
    act: str | None = "relu",
) -> int:
    """A strided kxk to `hidden` and a linear kxk to `out`; the activation follows the sum."""
    h = net.conv(x, hidden, kernel=kernel, stride=stride, act=act, name="conv1")
    h = net.conv(h, out, kernel=kernel, act=None, name="conv2")
    return _shortcut(net, x, h, stride, act)


@basic.layer
def _(layer: Layer, *, expansion: float = 1.0) -> Settings:
    """Pruning removes channels between the convolutions; `expansion` is their ratio to `out`."""
    return {"hidden": layer.keep(expansion * layer.out)}


@block("bottleneck")
def bottleneck(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int,
    kernel: int = 3,
    stride: int = 1,
    act: str | None = "relu",
) -> int:
    """1x1 to `hidden`, a strided kxk, a linear 1x1 to `out`; the activation follows the sum."""
    h = net.conv(x, hidden, act=act, name="reduce")
    h = net.conv(h, hidden, kernel=kernel, stride=stride, act=act, name="spatial")
    h = net.conv(h, out, act=None, name="expand")
    return _shortcut(net, x, h, stride, act)


@bottleneck.layer
def _(layer: Layer, *, expansion: float = 0.25) -> Settings:
    """Pruning removes channels of the kxk; `expansion` is their ratio to `out`."""
    return {"hidden": layer.keep(expansion * layer.out)}
