"""Networks of mobile inverted bottlenecks (MBConv), tables of rows that width and depth scale.

EfficientNet (Tan and Le 2019), its Lite variants, TinyNet (Han et al. 2020), MnasNet-A1 and -small
(Tan et al. 2019), ProxylessNAS (Cai et al. 2019), Single-Path NAS (Stamoulis et al. 2019) and
FBNet-C (Wu et al. 2019).
"""

from __future__ import annotations

from math import ceil
from typing import Literal, NamedTuple

from nas.blocks import Block, make_divisible
from nas.references.table import Layout, classifier


class Row(NamedTuple):
    """Kernel, expansion, output channels, repeats, stride of the first, whether it has a
    squeeze-and-excitation (with a quarter of the block's input channels)."""

    kernel: int
    expansion: int
    out: int
    repeats: int
    stride: int
    se: bool = False


class Family(NamedTuple):
    """Rows and what surrounds them.

    stem, head: channels of the first convolution and of the last 1x1.
    stem_scales: whether width scales the stem.
    head_scales: whether width scales the head: "always", "up" (never below its own) or "never".
    fixed_ends: depth scales neither the first nor the last row.
    rounds: a row's repeats are rounded, not rounded up.
    expands: there is a 1x1 expand at expansion 1 too.
    se_act, se_gate: activations of a squeeze-and-excitation.
    """

    rows: tuple[Row, ...]
    stem: int = 32
    head: int = 1280
    act: str = "relu6"
    stem_scales: bool = True
    head_scales: Literal["always", "up", "never"] = "always"
    fixed_ends: bool = False
    rounds: bool = False
    expands: bool = False
    se_act: str = "relu"
    se_gate: str = "hsigmoid"


def _plain(*rows: tuple[int, int, int, int]) -> tuple[Row, ...]:
    """Rows of one layer each: kernel, expansion, out, stride."""
    return tuple(Row(kernel, expansion, out, 1, stride) for kernel, expansion, out, stride in rows)


_B0 = (
    Row(3, 1, 16, 1, 1, True),
    Row(3, 6, 24, 2, 2, True),
    Row(5, 6, 40, 2, 2, True),
    Row(3, 6, 80, 3, 2, True),
    Row(5, 6, 112, 3, 1, True),
    Row(5, 6, 192, 4, 2, True),
    Row(3, 6, 320, 1, 1, True),
)
_V2 = (
    Row(3, 1, 16, 1, 1),
    Row(3, 6, 24, 2, 2),
    Row(3, 6, 32, 3, 2),
    Row(3, 6, 64, 4, 2),
    Row(3, 6, 96, 3, 1),
    Row(3, 6, 160, 3, 2),
    Row(3, 6, 320, 1, 1),
)
_A1 = (
    Row(3, 1, 16, 1, 1),
    Row(3, 6, 24, 2, 2),
    Row(5, 3, 40, 3, 2, True),
    Row(3, 6, 80, 4, 2),
    Row(3, 6, 112, 2, 1, True),
    Row(5, 6, 160, 3, 2, True),
    Row(3, 6, 320, 1, 1),
)
_SMALL = (
    Row(3, 1, 8, 1, 1),
    Row(3, 3, 16, 1, 2),
    Row(3, 6, 16, 2, 2),
    Row(5, 6, 32, 4, 2, True),
    Row(3, 6, 32, 3, 1, True),
    Row(5, 6, 88, 3, 2, True),
    Row(3, 6, 144, 1, 1),
)
_SINGLE_PATH = (
    Row(3, 1, 16, 1, 1),
    Row(3, 3, 24, 3, 2),
    Row(5, 6, 40, 1, 2),
    Row(3, 3, 40, 3, 1),
    Row(5, 6, 80, 1, 2),
    Row(3, 3, 80, 3, 1),
    Row(5, 6, 96, 1, 1),
    Row(5, 3, 96, 3, 1),
    Row(5, 6, 192, 4, 2),
    Row(3, 6, 320, 1, 1),
)
_FBNET_C = (
    Row(3, 1, 16, 1, 1),
    Row(3, 6, 24, 1, 2),
    Row(3, 1, 24, 2, 1),
    Row(5, 6, 32, 1, 2),
    Row(5, 3, 32, 1, 1),
    Row(5, 6, 32, 1, 1),
    Row(3, 6, 32, 1, 1),
    Row(5, 6, 64, 1, 2),
    Row(5, 3, 64, 1, 1),
    Row(5, 6, 64, 2, 1),
    Row(5, 6, 112, 3, 1),
    Row(5, 3, 112, 1, 1),
    Row(5, 6, 184, 4, 2),
    Row(3, 6, 352, 1, 1),
)
_PROXYLESS_CPU = _plain(
    (3, 1, 24, 1),
    (3, 6, 32, 2), (3, 3, 32, 1), (3, 3, 32, 1), (3, 3, 32, 1),
    (3, 6, 48, 2), (3, 3, 48, 1), (3, 3, 48, 1), (5, 3, 48, 1),
    (3, 6, 88, 2), (3, 3, 88, 1),
    (5, 6, 104, 1), (3, 3, 104, 1), (3, 3, 104, 1), (3, 3, 104, 1),
    (5, 6, 216, 2), (5, 3, 216, 1), (5, 3, 216, 1), (3, 3, 216, 1),
    (5, 6, 360, 1),
)  # fmt: skip
_PROXYLESS_GPU = _plain(
    (3, 1, 24, 1),
    (5, 3, 32, 2),
    (7, 3, 56, 2), (3, 3, 56, 1),
    (7, 6, 112, 2), (5, 3, 112, 1),
    (5, 6, 128, 1), (3, 3, 128, 1), (5, 3, 128, 1),
    (7, 6, 256, 2), (7, 6, 256, 1), (7, 6, 256, 1), (5, 6, 256, 1),
    (7, 6, 432, 1),
)  # fmt: skip


def _proxyless_mobile(widths: tuple[int, ...]) -> tuple[Row, ...]:
    a, b, c, d, e, f, g = widths
    return _plain(
        (3, 1, a, 1),
        (5, 3, b, 2), (3, 3, b, 1),
        (7, 3, c, 2), (3, 3, c, 1), (5, 3, c, 1), (5, 3, c, 1),
        (7, 6, d, 2), (5, 3, d, 1), (5, 3, d, 1), (5, 3, d, 1),
        (5, 6, e, 1), (5, 3, e, 1), (5, 3, e, 1), (5, 3, e, 1),
        (7, 6, f, 2), (7, 6, f, 1), (7, 3, f, 1), (7, 3, f, 1),
        (7, 6, g, 1),
    )  # fmt: skip


FAMILIES = {
    "efficientnet": Family(_B0, act="silu"),
    "efficientnet_lite": Family(
        tuple(row._replace(se=False) for row in _B0),
        stem_scales=False,
        head_scales="never",
        fixed_ends=True,
    ),
    "tinynet": Family(_B0, act="silu", stem_scales=False, head_scales="up", rounds=True),
    "mobilenet_v2": Family(_V2, head_scales="up"),
    "mobilenet_v2_deep": Family(_V2, stem_scales=False, head_scales="never", fixed_ends=True),
    "mnasnet_a1": Family(_A1, act="relu", head_scales="never"),
    "mnasnet_small": Family(_SMALL, stem=8, act="relu", head_scales="never"),
    "single_path": Family(_SINGLE_PATH, act="relu"),
    "fbnet_c": Family(_FBNET_C, stem=16, head=1984, act="relu", expands=True),
    "proxyless_cpu": Family(_PROXYLESS_CPU, stem=40, head=1432),
    "proxyless_gpu": Family(_PROXYLESS_GPU, stem=40, head=1728),
    "proxyless_mobile": Family(_proxyless_mobile((16, 32, 40, 80, 96, 192, 320))),
    "proxyless_mobile14": Family(
        _proxyless_mobile((24, 40, 56, 112, 136, 256, 448)), stem=48, head=1792
    ),
}


def mbconv(family: Family, width: float, depth: float, classes: int) -> Layout:
    """The rows of a family at a width and a depth multiplier."""
    c = make_divisible(family.stem * width) if family.stem_scales else family.stem
    stem, stages, last = Block("conv", out=c, stride=2, act=family.act), [], len(family.rows) - 1
    for i, row in enumerate(family.rows):
        out, stage = make_divisible(row.out * width), []
        repeats = row.repeats
        if not (family.fixed_ends and i in (0, last)):
            repeats = round(repeats * depth) if family.rounds else ceil(repeats * depth)
        for j in range(max(1, repeats)):
            stage.append(_inverted(family, row, c, out, j == 0))
            c = out
        stages.append(tuple(stage))
    scale = {"always": width, "up": max(1.0, width), "never": 1.0}[family.head_scales]
    head = Block("conv", out=make_divisible(family.head * scale), kernel=1, act=family.act)
    return Layout((stem,), tuple(stages), (head, *classifier(classes)))


def _inverted(family: Family, row: Row, c: int, out: int, first: bool) -> Block:
    """One layer of a row on `c` channels."""
    return Block(
        "inverted",
        out=out,
        hidden=row.expansion * c if row.expansion > 1 or family.expands else 0,
        kernel=row.kernel,
        stride=row.stride if first else 1,
        se=c // 4 if row.se else 0,
        act=family.act,
        se_act=family.se_act,
        se_gate=family.se_gate,
    )
