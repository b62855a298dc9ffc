"""ShuffleNetV2 unit (Ma et al. 2018), torchvision's layout."""

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("shuffle")
def shuffle(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int = 0,
    kernel: int = 3,
    stride: int = 1,
    se: int = 0,
    attention: str | None = None,
) -> int:
    """A branch of 1x1, depthwise kxk, 1x1 beside a second one, then concatenation and shuffle.

    Where the shape is kept, the second branch is half of the input as it is; otherwise it is a
    strided depthwise kxk and a 1x1, and both branches take the whole input. `hidden` is the width
    inside the main branch; 0 means half of `out`, as in the paper. An optional SE with `se`
    channels or attention follows the main branch's depthwise.
    """
    left, right = x, x
    if stride == 1 and net.channels(x) == out:
        left, right = net.split(x, out - out // 2, out // 2)
    else:
        left = net.depthwise(x, kernel=kernel, stride=stride, act=None, name="left_depthwise")
        left = net.conv(left, out - out // 2, name="left_pointwise")
    h = net.conv(right, hidden or out // 2, name="expand")
    h = net.depthwise(h, kernel=kernel, stride=stride, act=None)
    h = net.conv(attend(net, h, se, attention), out // 2, name="project")
    return net.shuffle(net.concat(left, h), 2)


@shuffle.layer
def _(layer: Layer, *, se: float = 0.0) -> Settings:
    """Pruning removes channels inside the main branch, between its 1x1 convolutions, of which there
    are half of `out` unpruned; `se` is the ratio of the SE's channels to these."""
    half = layer.out // 2
    hidden = min(half, layer.keep(half)) if layer.prune else half
    gate = se_channels(layer, se, hidden)
    return {"hidden": 0 if hidden == half else hidden, "se": gate}
