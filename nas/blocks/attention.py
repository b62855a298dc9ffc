"""Attention as an option of a block: squeeze-and-excitation, ECA, coordinate attention and CBAM.

A block calls `attend` where it takes its attention: inverted, ghost, shuffle, shuffle_v1, uib,
micro and depthwise on the hidden features behind the spatial convolution, fire, squeezenext, basic
and bottleneck on what the layer computes, before the shortcut is added.
"""

from math import log2
from typing import Literal, assert_never, get_args

from nas.blocks.registry import Layer
from nas.graph import Builder
from nas.support.errors import one_of

Attention = Literal["eca", "coordinate", "cbam"]
ATTENTION: tuple[Attention, ...] = get_args(Attention)
REDUCTION, FEWEST = 32, 8  # coordinate attention, as in its paper's code
CBAM_REDUCTION, CBAM_KERNEL = 16, 7  # as in its paper


def attend(
    net: Builder,
    x: int,
    se: int,
    attention: str | None,
    *,
    act: str = "relu",
    gate: str = "hsigmoid",
) -> int:
    """`x` gated by an SE with `se` channels (0: none), whose activations are `act` and `gate`, then
    by `attention` (None: none).

    Errors: `NasError` for an unknown attention, with the nearest name.
    """
    if attention is not None and attention not in ATTENTION:
        raise one_of("attention", attention, ATTENTION)
    if se:
        x = net.squeeze_excite(x, se, act=act, gate=gate)
    match attention:
        case None:
            return x
        case "eca":
            return _eca(net, x)
        case "coordinate":
            return _coordinate(net, x)
        case "cbam":
            return _cbam(net, x)
        case other:
            assert_never(other)


def se_channels(layer: Layer, ratio: float, gated: int) -> int:
    """A legal channel count of about `ratio` times the `gated` channels; 0 for ratio 0."""
    return layer.round(ratio * gated) if ratio else 0


def eca_kernel(channels: int) -> int:
    """The odd number that belongs to |log2(channels) / 2 + 1 / 2|; even ones are rounded up."""
    k = int(abs(log2(channels) / 2 + 0.5))
    return k + (k % 2 == 0)


def _eca(net: Builder, x: int) -> int:
    """Efficient channel attention (Wang et al. 2020): the mean of each channel, a 1-d convolution
    over the channels, a sigmoid gate. The channels stand as rows for that convolution."""
    kernel = (eca_kernel(net.channels(x)), 1)
    means = net.swap(net.gap(x), 0)
    gate = net.conv(means, 1, kernel=kernel, norm=False, bias=False, act="sigmoid", name="eca")
    return net.multiply(x, net.swap(gate, 0))


def _coordinate(net: Builder, x: int) -> int:
    """Coordinate attention (Hou et al. 2021): the means along each axis share a 1x1 with norm and
    h-swish; a 1x1 with a sigmoid for each axis makes a gate for every row and every column."""
    c, h, w = net.shape(x)
    rows = net.avgpool(x, kernel=(1, w), stride=1, padding=0)
    columns = net.swap(net.avgpool(x, kernel=(h, 1), stride=1, padding=0), 1)
    shared = net.conv(
        net.concat(rows, columns, rows=True),
        max(FEWEST, c // REDUCTION),
        act="hswish",
        name="coordinate_reduce",
    )
    rows, columns = net.split(shared, h, w, rows=True)
    row_gate = net.conv(rows, c, norm=False, act="sigmoid", name="coordinate_rows")
    column_gate = net.conv(
        net.swap(columns, 1), c, norm=False, act="sigmoid", name="coordinate_columns"
    )
    return net.multiply(net.multiply(x, row_gate), column_gate)


def _cbam(net: Builder, x: int) -> int:
    """Convolutional block attention (Woo et al. 2018): channels are gated by one small network on
    their means and on their maxima, then pixels by a 7x7 convolution of the mean and the maximum
    over channels. The two vectors stand as two rows to share that network's weights, and channels
    stand as rows to be pooled."""
    c, h, w = net.shape(x)
    both = net.concat(net.gap(x), _pool(net, x, (h, w)), rows=True)
    reduced = net.conv(both, max(1, c // CBAM_REDUCTION), norm=False, name="cbam_reduce")
    expanded = net.conv(reduced, c, norm=False, act=None, name="cbam_expand")
    x = net.multiply(x, net.add(*net.split(expanded, 1, 1, rows=True), act="sigmoid"))
    rows = net.swap(x, 0)
    mean = net.swap(net.avgpool(rows, kernel=(c, 1), stride=1, padding=0), 0)
    most = net.swap(_pool(net, rows, (c, 1)), 0)
    gate = net.conv(
        net.concat(mean, most), 1, kernel=CBAM_KERNEL, act="sigmoid", name="cbam_spatial"
    )
    return net.multiply(x, gate)


def _pool(net: Builder, x: int, kernel: tuple[int, int]) -> int:
    """The maximum over windows that do not overlap the edge."""
    return net.maxpool(x, kernel=kernel, stride=1, padding=0)
