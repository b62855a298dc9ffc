"""Published networks scaled by hand to small images and a budget: what a search has to beat.

from scaled_networks import NAMES, scaled
"""

from __future__ import annotations

from itertools import groupby

from nas import Architecture, cost, reference
from nas.blocks import Block, kind, make_divisible

NAMES = (
    "mobilenet_v1_100",
    "shufflenet_v2_x1_0",
    "mobilenet_v3_small_100",
    "squeezenet1_1",
    "mnasnet_100",
    "ghostnet_100",
    "mobilenet_v2_100",
    "shufflenet_v1_x1_0",
    "mobilenet_v3_large_100",
    "squeezenext_1_0_23",
)
CLASSES, CHANNELS, RESOLUTION = 10, 1, 28
STRIDES = 3  # of the stages, the last ones: 28 pixels end as 4, as 224 end as 7
WIDTHS = [i / 200 for i in range(20, 301)]  # multipliers that are tried
NARROWEST = 0.25  # below that multiplier the stem strides, too: the better use of few operations
DIVISORS = {"shufflenet_v1_x1_0": 6, "squeezenext_1_0_23": 1}  # three groups; narrow rows
SIZES = {"out", "hidden", "squeeze", "se", "left"}  # settings that the multiplier scales


def scaled(name: str, mmacs: float, half: bool = False) -> Architecture:
    """The published network for 28-pixel one-channel images with about `mmacs` multiply-adds.

    What people do by hand: strides for which small images leave no room are dropped from the front,
    one multiplier scales every width (the head's, too), `half` keeps half of each run of rows of
    equal width, every convolution has a norm, and the classifier is linear.
    """
    for stem_stride in (1, 2):
        tried = ((width, _network(name, width, half, stem_stride)) for width in WIDTHS)
        width, found = min(tried, key=lambda pair: abs(cost(pair[1]).macs / 1e6 - mmacs))
        if width >= NARROWEST:
            break
    return found.renamed(f"{name}{' half' if half else ''} x{width:g}")


def _network(name: str, width: float, half: bool, stem_stride: int) -> Architecture:
    whole = reference(name, CLASSES, RESOLUTION)
    divisor = DIVISORS.get(name, 4)

    def row(old: Block, **changes: int) -> Block:
        settings = {k: v for k, v in old.settings if k != "norm"} | changes
        sizes = {k: v for k, v in settings.items() if k in SIZES and isinstance(v, int)}
        scaled = {k: make_divisible(v * width, divisor) for k, v in sizes.items()}
        return Block(old.kind, **settings | scaled)

    dropped = sum(_strides(stage[0]) for stage in whole.stages) - STRIDES
    stages = []
    for stage in whole.stages:
        runs = [list(run) for _, run in groupby(stage, key=_likeness)]
        rows = [old for run in runs for old in (run[: -(-len(run) // 2)] if half else run)]
        if dropped > 0 and _strides(rows[0]):
            rows[0] = Block(rows[0].kind, **{**dict(rows[0].settings), "stride": 1})
            dropped -= 1
        stages.append(tuple(old if old.kind == "maxpool" else row(old) for old in rows))
    *hidden, last = whole.head
    if last.kind != "linear":  # SqueezeNet's 1x1 before the average is a linear layer behind it
        hidden, last = [last], Block("linear", out=CLASSES)
    stem = row(whole.stem[0], kernel=3, padding=1, stride=stem_stride)
    return Architecture(RESOLUTION, (stem,), tuple(stages), (*map(row, hidden), last), CHANNELS)


def _strides(row: Block) -> bool:
    return "stride" in kind(row.kind).parameters and row.get("stride") != 1


def _likeness(row: Block) -> tuple[str, object]:
    return row.kind, None if row.kind == "maxpool" else row.get("out")
