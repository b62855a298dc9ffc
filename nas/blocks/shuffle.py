"""ShuffleNetV2 unit (Ma et al. 2018), torchvision's layout."""

from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("shuffle")
def shuffle(
    net: Builder, x: int, *, out: int, hidden: int = 0, kernel: int = 3, stride: int = 1
) -> int:
    """A branch of 1x1, depthwise kxk, 1x1 beside a second one, then concatenation and shuffle.

    Where the shape is kept, the second branch is half of the input as it is; otherwise it is a
    strided depthwise kxk and a 1x1, and both branches take the whole input. `hidden` is the width
    inside the main branch; 0 means half of `out`, as in the paper.
    """
    left, right = x, x
    if stride == 1 and net.channels(x) == out:
        left, right = net.split(x, out - out // 2, out // 2)
    else:
        left = net.depthwise(x, kernel=kernel, stride=stride, act=None, name="left_depthwise")
        left = net.conv(left, out - out // 2, name="left_pointwise")
    h = net.conv(right, hidden or out // 2, name="expand")
    h = net.depthwise(h, kernel=kernel, stride=stride, act=None)
    return net.shuffle(net.concat(left, net.conv(h, out // 2, name="project")), 2)


@shuffle.layer
def _(layer: Layer) -> Settings:
    """Pruning removes channels inside the main branch, which unpruned has half of `out`."""
    half = layer.out // 2
    kept = min(half, layer.keep(half)) if layer.prune else half
    return {"hidden": 0 if kept == half else kept}
