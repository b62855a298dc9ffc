"""Fire module (SqueezeNet, Iandola et al. 2016)."""

from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("fire")
def fire(
    net: Builder, x: int, *, out: int, squeeze: int, stride: int = 1, norm: bool = True
) -> int:
    """A 1x1 squeeze, then a 1x1 and a 3x3 expand side by side; their outputs are concatenated.

    SqueezeNet itself has `norm=False` and never strides inside a Fire module.
    """
    s = net.conv(x, squeeze, norm=norm, name="squeeze")
    return net.concat(
        net.conv(s, out // 2, stride=stride, norm=norm, name="expand1x1"),
        net.conv(s, out - out // 2, kernel=3, stride=stride, norm=norm, name="expand3x3"),
    )


@fire.layer
def _(layer: Layer, *, squeeze: float = 0.125) -> Settings:
    """Pruning removes squeeze channels; `squeeze` is their ratio to the output before pruning."""
    return {"squeeze": layer.keep(squeeze * layer.out)}
