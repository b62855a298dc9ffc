"""SqueezeNext unit (Gholami et al. 2018)."""

from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("squeezenext")
def squeezenext(net: Builder, x: int, *, out: int, hidden: int, stride: int = 1) -> int:
    """1x1 to `hidden`, 1x1 to half of it, 1x3 and 3x1 at `hidden`, 1x1 to `out`; plus the input,
    which a 1x1 projects where the shape changes."""
    h = net.conv(x, hidden, stride=stride, name="reduce1")
    h = net.conv(h, hidden // 2, name="reduce2")
    h = net.conv(h, hidden, kernel=(1, 3), name="horizontal")
    h = net.conv(h, hidden, kernel=(3, 1), name="vertical")
    h = net.conv(h, out, name="expand")
    if stride > 1 or net.channels(x) != out:
        x = net.conv(x, out, stride=stride, name="shortcut")
    return net.add(h, x, act="relu")


@squeezenext.layer
def _(layer: Layer, *, squeeze: float = 0.5) -> Settings:
    """Pruning removes hidden channels; `squeeze` is their ratio to the input before pruning."""
    return {"hidden": layer.keep(squeeze * layer.in_channels)}
