"""Universal inverted bottleneck (MobileNetV4, Qin et al. 2024)."""

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder
from nas.support.errors import ShapeError


@block("uib")
def uib(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int,
    start: int = 0,
    kernel: int = 3,
    stride: int = 1,
    se: int = 0,
    attention: str | None = None,
    act: str | None = "relu",
) -> int:
    """An optional linear depthwise of kernel `start`, 1x1 expand to `hidden`, an optional depthwise
    kxk, optional SE with `se` channels or attention, linear 1x1 project. The input is added where
    the shapes allow it.

    Kernel 0 leaves a depthwise out. With the second alone it is an inverted bottleneck, with the
    first alone ConvNeXt's block, with neither a feed-forward layer, and "extra depthwise" with
    both. The second has the stride if it is there.
    """
    if stride > 1 and not start and not kernel:
        raise ShapeError(f"uib: stride {stride} needs a depthwise: start or kernel above 0")
    h = x
    if start:
        first = 1 if kernel else stride
        h = net.depthwise(h, kernel=start, stride=first, act=None, name="start")
    h = net.conv(h, hidden, act=act, name="expand")
    if kernel:
        h = net.depthwise(h, kernel=kernel, stride=stride, act=act)
    h = net.conv(attend(net, h, se, attention), out, act=None, name="project")
    return net.add(x, h) if stride == 1 and out == net.channels(x) else h


@uib.layer
def _(layer: Layer, *, expansion: float = 4.0, se: float = 0.0) -> Settings:
    """Pruning removes expanded channels; `se` is the ratio of the SE's channels to them."""
    hidden = layer.keep(expansion * layer.in_channels)
    return {"hidden": hidden, "se": se_channels(layer, se, hidden)}
