"""SqueezeNext unit (Gholami et al. 2018)."""

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("squeezenext")
def squeezenext(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int,
    stride: int = 1,
    se: int = 0,
    attention: str | None = None,
    bias: bool = False,
) -> int:
    """1x1 to `hidden`, 1x1 to half of it, 1x3 and 3x1 at `hidden`, 1x1 to `out`, optional SE with
    `se` channels or attention; plus the input, which a 1x1 projects where the shape changes.

    `bias` is that of the convolutions, which the norm makes redundant: imgclsmob has it.
    """
    h = net.conv(x, hidden, stride=stride, bias=bias, name="reduce1")
    h = net.conv(h, hidden // 2, bias=bias, name="reduce2")
    h = net.conv(h, hidden, kernel=(1, 3), bias=bias, name="horizontal")
    h = net.conv(h, hidden, kernel=(3, 1), bias=bias, name="vertical")
    h = attend(net, net.conv(h, out, bias=bias, name="expand"), se, attention)
    if stride > 1 or net.channels(x) != out:
        x = net.conv(x, out, stride=stride, bias=bias, name="shortcut")
    return net.add(h, x, act="relu")


@squeezenext.layer
def _(layer: Layer, *, squeeze: float = 0.5, se: float = 0.0) -> Settings:
    """Pruning removes hidden channels, of both squeezes and both factorised convolutions alike;
    `squeeze` is their ratio to the input before pruning, `se` that of the SE's channels to the
    output."""
    hidden = layer.keep(squeeze * layer.in_channels, parts=2)
    return {"hidden": hidden, "se": se_channels(layer, se, layer.out)}
