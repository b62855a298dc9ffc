"""ShuffleNetV2 unit (Ma et al. 2018), in torchvision's layout and its authors'."""

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder
from nas.support.errors import ShapeError


@block("shuffle")
def shuffle(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int = 0,
    left: int = 0,
    kernel: int = 3,
    stride: int = 1,
    se: int = 0,
    attention: str | None = None,
) -> int:
    """A branch of 1x1, depthwise kxk, 1x1 beside a second one, then concatenation and shuffle.

    Where the shape is kept, the second branch is half of the input as it is; otherwise it is a
    strided depthwise kxk and a 1x1, and both branches take the whole input. Of `out` channels the
    second branch has `left`, or half where that is 0. `hidden` is the width inside the main branch;
    0 means half of `out`, as in the paper. An optional SE with `se` channels or attention follows
    the main branch's depthwise.
    """
    left = left or out - out // 2
    if left >= out:
        raise ShapeError(f"shuffle: left={left} must be less than the {out} outputs")
    second, right = x, x
    if stride == 1 and net.channels(x) == out:
        second, right = net.split(x, left, out - left)
    else:
        second = net.depthwise(x, kernel=kernel, stride=stride, act=None, name="left_depthwise")
        second = net.conv(second, left, name="left_pointwise")
    h = net.conv(right, hidden or out // 2, name="expand")
    h = net.depthwise(h, kernel=kernel, stride=stride, act=None)
    h = net.conv(attend(net, h, se, attention), out - left, name="project")
    return net.shuffle(net.concat(second, h), 2)


@shuffle.layer
def _(layer: Layer, *, se: float = 0.0, keep_left: bool = False) -> Settings:
    """Pruning removes channels inside the main branch, between its 1x1 convolutions, of which there
    are half of `out` unpruned; `se` is the ratio of the SE's channels to these. With `keep_left`
    the second branch of a layer that widens has as many channels as the input, not half of `out`;
    that is the authors' layout."""
    half = layer.out // 2
    hidden = min(half, layer.keep(half)) if layer.prune else half
    gate = se_channels(layer, se, hidden)
    kept = keep_left and layer.in_channels < layer.out and layer.in_channels != layer.out - half
    left = layer.in_channels if kept else 0
    return {"hidden": 0 if hidden == half else hidden, "left": left, "se": gate}
