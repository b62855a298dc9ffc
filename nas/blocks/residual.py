"""Residual blocks (ResNet, He et al. 2016): basic and bottleneck."""

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


def _shortcut(net: Builder, x: int, h: int, stride: int, act: str | None) -> int:
    """`h` plus `x`, which a 1x1 projects where the shapes differ."""
    if stride > 1 or net.channels(x) != net.channels(h):
        x = net.conv(x, net.channels(h), stride=stride, act=None, name="shortcut")
    return net.add(h, x, act=act)


def _hidden(layer: Layer, expansion: float, se: float) -> Settings:
    hidden = layer.keep(expansion * layer.out)
    return {"hidden": hidden, "se": se_channels(layer, se, layer.out)}


@block("basic")
def basic(
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
    """A strided kxk to `hidden` and a linear kxk to `out`, optional SE with `se` channels or
    attention; the activation follows the sum with the shortcut."""
    h = net.conv(x, hidden, kernel=kernel, stride=stride, act=act, name="conv1")
    h = net.conv(h, out, kernel=kernel, act=None, name="conv2")
    return _shortcut(net, x, attend(net, h, se, attention), stride, act)


@basic.layer
def _(layer: Layer, *, expansion: float = 1.0, se: float = 0.0) -> Settings:
    """Pruning removes channels between the convolutions; `expansion` is their ratio to `out`,
    `se` that of the SE's channels to `out`."""
    return _hidden(layer, expansion, se)


@block("bottleneck")
def bottleneck(
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
    """1x1 to `hidden`, a strided kxk, a linear 1x1 to `out`, optional SE with `se` channels or
    attention; the activation follows the sum with the shortcut."""
    h = net.conv(x, hidden, act=act, name="reduce")
    h = net.conv(h, hidden, kernel=kernel, stride=stride, act=act, name="spatial")
    h = net.conv(h, out, act=None, name="expand")
    return _shortcut(net, x, attend(net, h, se, attention), stride, act)


@bottleneck.layer
def _(layer: Layer, *, expansion: float = 0.25, se: float = 0.0) -> Settings:
    """Pruning removes channels of the kxk; `expansion` is their ratio to `out`, `se` that of the
    SE's channels to `out`."""
    return _hidden(layer, expansion, se)
