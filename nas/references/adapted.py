"""Published networks scaled by hand to other images and budgets: what a search has to beat."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby

from nas.architecture import Architecture, Rows
from nas.blocks import Block, make_divisible
from nas.references import reference
from nas.resolution import Resolution

# One of each family.
FAMILIES = (
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
DIVISORS = {"shufflenet_v1_x1_0": 6, "squeezenext_1_0_23": 1}  # three groups; narrow rows
SIZES = {"out", "hidden", "squeeze", "se", "left"}  # settings that the multiplier scales


@lru_cache(maxsize=1 << 10)  # as many searches are begun with the same widths of them
def adapted(
    name: str,
    width: float = 1.0,
    *,
    half: bool = False,
    resolution: Resolution = 28,
    channels: int = 1,
    classes: int = 10,
    strides: int = 3,
    stem_stride: int = 1,
) -> Architecture:
    """A published network with other inputs and outputs, its channels times `width`.

    What people do by hand: of the stages that stride only the last `strides` go on doing so, one
    multiplier scales every width, the head's too, `half` keeps half of each run of rows of equal
    width, every convolution has a norm, and the classifier is linear. Errors: `NasError` for an
    unknown name.
    """
    whole = reference(name, classes, resolution)
    divisor = DIVISORS.get(name, 4)

    def row(old: Block, **changes: int) -> Block:
        settings = {k: v for k, v in old.settings if k != "norm"} | changes
        sizes = {k: v for k, v in settings.items() if k in SIZES and isinstance(v, int)}
        scaled = {k: make_divisible(v * width, divisor) for k, v in sizes.items()}
        return Block(old.kind, **settings | scaled)

    pooled = whole.stem[1] if len(whole.stem) > 1 else None
    dropped = sum(stage[0].strides for stage in whole.stages) - strides
    stages: list[Rows] = []
    for stage in whole.stages:
        runs = [list(run) for _, run in groupby(stage, key=_likeness)]
        rows = [old for run in runs for old in (run[: -(-len(run) // 2)] if half else run)]
        if dropped > 0 and rows[0].strides:
            rows[0] = rows[0].changed(stride=1)
            dropped -= 1
        stages.append(tuple(old if old.kind == "maxpool" else row(old) for old in rows))
    *hidden, last = whole.head
    if last.kind != "linear":  # SqueezeNet's 1x1 before the average is a linear layer behind it
        hidden, last = [last], Block("linear", out=classes)
    stem: Rows = (row(whole.stem[0], kernel=3, padding=1, stride=stem_stride),)
    if dropped < 0 and pooled:  # the pooling is one of the strides
        stem = (*stem, pooled)
    head = (*map(row, hidden), last)
    label = f"{name}{' half' if half else ''} ×{width:g}"
    return Architecture(resolution, stem, tuple(stages), head, channels).renamed(label)


def _likeness(row: Block) -> tuple[str, object]:
    return row.kind, None if row.kind == "maxpool" else row.get("out")
