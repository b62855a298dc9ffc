"""Inverted residual (MobileNetV2, Sandler 2018; with SE and h-swish MobileNetV3, Howard 2019; with
groups FBNet, Wu 2019)."""

from nas.blocks.attention import attend, se_channels
from nas.blocks.registry import Layer, Settings, block
from nas.graph import Builder


@block("inverted")
def inverted(
    net: Builder,
    x: int,
    *,
    out: int,
    hidden: int = 0,
    kernel: int = 3,
    stride: int = 1,
    se: int = 0,
    se_act: str = "relu",
    se_gate: str = "hsigmoid",
    attention: str | None = None,
    groups: int = 1,
    act: str | None = "relu6",
) -> int:
    """1x1 expand to `hidden`, depthwise kxk, optional SE with `se` channels or attention, linear
    1x1 project. The input is added where the shapes allow it.

    `hidden` 0 means no expand: the depthwise convolution takes the input itself. With `groups` both
    1x1 convolutions are grouped, and a channel shuffle follows the expand. `se_act` and `se_gate`
    are the SE's activations: EfficientNet has silu and sigmoid.
    """
    h = net.conv(x, hidden, act=act, groups=groups, name="expand") if hidden else x
    if hidden and groups > 1:
        h = net.shuffle(h, groups)
    h = net.depthwise(h, kernel=kernel, stride=stride, act=act)
    h = attend(net, h, se, attention, act=se_act, gate=se_gate)
    h = net.conv(h, out, act=None, groups=groups, name="project")
    return net.add(x, h) if stride == 1 and out == net.channels(x) else h


@inverted.layer
def _(
    layer: Layer, *, expansion: float = 6.0, se: float = 0.0, always_expand: bool = False
) -> Settings:
    """Pruning removes expanded channels, of which expansion 1 has none unless `always_expand`
    (FBNet's blocks have the 1x1 expand then, too); `se` is the ratio of the SE's channels to the
    channels that it gates."""
    expands = always_expand or expansion != 1
    hidden = layer.keep(expansion * layer.in_channels) if expands else 0
    return {"hidden": hidden, "se": se_channels(layer, se, hidden or layer.in_channels)}
