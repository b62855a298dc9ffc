"""Dense layer and transition (DenseNet, Huang et al. 2017): norm and activation come first."""

from nas.blocks.registry import block
from nas.graph import Builder


@block("dense")
def dense(net: Builder, x: int, *, growth: int, hidden: int, act: str | None = "relu") -> int:
    """Norm, activation, 1x1 to `hidden`, norm, activation, 3x3 to `growth` channels, which are
    concatenated to the input. DenseNet has `hidden` = 4 `growth`."""
    h = net.conv(net.activate(x, act, norm=True), hidden, act=act, name="reduce")
    h = net.conv(h, growth, kernel=3, norm=False, bias=False, act=None, name="grow")
    return net.concat(x, h)


@block("dense_transition")
def dense_transition(
    net: Builder, x: int, *, out: int, stride: int = 2, act: str | None = "relu"
) -> int:
    """Norm, activation, linear 1x1 to `out`, average pooling of `stride` by `stride`;
    pruning removes filters."""
    h = net.activate(x, act, norm=True)
    h = net.conv(h, out, norm=False, bias=False, act=None, name="reduce")
    return net.avgpool(h, kernel=stride, stride=stride, padding=0) if stride != 1 else h
