"""Depthwise separable convolution (MobileNetV1, Howard et al. 2017)."""

from nas.blocks.registry import block
from nas.graph import Builder


@block("depthwise")
def depthwise(
    net: Builder, x: int, *, out: int, kernel: int = 3, stride: int = 1, act: str | None = "relu"
) -> int:
    """A depthwise kxk, then a pointwise 1x1. It has no hidden layer and no shortcut: pruning
    removes pointwise filters, which are the next layer's input channels."""
    spatial = net.depthwise(x, kernel=kernel, stride=stride, act=act)
    return net.conv(spatial, out, act=act, name="pointwise")
