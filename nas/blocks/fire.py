"""Fire module (SqueezeNet, Iandola et al. 2016)."""

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("fire")
def fire(
    net: Builder,
    x: int,
    *,
    out: int,
    squeeze: int,
    stride: int = 1,
    se: int = 0,
    attention: str | None = None,
    norm: bool = True,
) -> int:
    """A 1x1 squeeze, then a 1x1 and a 3x3 expand side by side; their outputs are concatenated,
    and optionally gated by an SE with `se` channels or attention.

    SqueezeNet itself has `norm=False` and never strides inside a Fire module.
    """
    s = net.conv(x, squeeze, norm=norm, name="squeeze")
    expanded = net.concat(
        net.conv(s, out // 2, stride=stride, norm=norm, name="expand1x1"),
        net.conv(s, out - out // 2, kernel=3, stride=stride, norm=norm, name="expand3x3"),
    )
    return attend(net, expanded, se, attention)


@fire.layer
def _(layer: Layer, *, squeeze: float = 0.125, se: float = 0.0) -> Settings:
    """Pruning removes squeeze channels and, as there is no shortcut that needs them, channels of
    both expands alike, which are the next layer's input. `squeeze` is the ratio of the squeeze to
    the output before pruning, `se` that of the SE's channels to the output."""
    out, squeezed = layer.keep(layer.out, parts=2), layer.keep(squeeze * layer.out)
    return {"out": out, "squeeze": squeezed, "se": se_channels(layer, se, out)}
