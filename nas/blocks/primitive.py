"""Single operations as rows: what stems, heads and plain networks are made of."""

from nas.blocks.registry import block
from nas.graph import Builder


@block("conv")
def conv(
    net: Builder,
    x: int,
    *,
    out: int,
    kernel: int = 3,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    norm: bool = True,
    act: str | None = "relu",
    bias: bool | None = None,
) -> int:
    """One convolution with norm and activation; pruning removes filters."""
    return net.conv(
        x,
        out,
        kernel=kernel,
        stride=stride,
        padding=padding,
        groups=groups,
        norm=norm,
        act=act,
        bias=bias,
    )


@block("maxpool")
def maxpool(
    net: Builder, x: int, *, kernel: int = 3, stride: int = 2, padding: int = 1, ceil: bool = False
) -> int:
    """Max pooling."""
    return net.maxpool(x, kernel=kernel, stride=stride, padding=padding, ceil=ceil)


@block("avgpool")
def avgpool(net: Builder, x: int, *, kernel: int = 2, stride: int = 2, padding: int = 0) -> int:
    """Average pooling."""
    return net.avgpool(x, kernel=kernel, stride=stride, padding=padding)


@block("gap")
def gap(net: Builder, x: int) -> int:
    """Global average pooling."""
    return net.gap(x)


@block("linear")
def linear(net: Builder, x: int, *, out: int, bias: bool = True, act: str | None = None) -> int:
    """Flatten and fully connected layer."""
    return net.linear(x, out, bias=bias, act=act)


@block("activate")
def activate(net: Builder, x: int, *, act: str | None = "relu", norm: bool = True) -> int:
    """Norm and activation of their own, for pre-activation networks."""
    return net.activate(x, act, norm=norm)
