"""A layer that a search may leave out (FBNet, Wu et al. 2019)."""

from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("skip")
def skip(net: Builder, x: int, *, out: int, stride: int = 1, act: str | None = "relu") -> int:
    """The input itself; where the shape changes, a strided 1x1 convolution."""
    if stride == 1 and net.channels(x) == out:
        return x
    return net.conv(x, out, stride=stride, act=act, name="shortcut")


@skip.layer
def _(layer: Layer) -> Settings:
    """Pruning removes nothing: there is no hidden channel, and narrowing an identity would cost."""
    return {}
