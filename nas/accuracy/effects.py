"""What features say about accuracy before any table is seen, and in which units they are compared.

SHARED are the effects on the log odds of a right answer that hold for every table: few, physical,
each with a prior mean and a deviation. A doubling of the channels of every layer, say, or another
pixel a side. `local` places networks so that those alike are near: the same quantities, finer, each
scaled by what a change of one is expected to move.

ImageNet's thousand classes need capacity, and wide late layers, where ten classes do not: effects
named `_classes` are multiplied by how many there are, 0 for ten and 1 for a thousand. What is deep,
narrow and without shortcuts learns slowly: effects named `_brief` are multiplied by how short the
training is, see `brevity`.
"""

from __future__ import annotations

from math import log10
from typing import Any, NamedTuple

import numpy as np

from nas.accuracy.features import FACTS, SIZE, SPLIT, STAGED, STAGES, WHOLE, Matrix, Vector
from nas.accuracy.paths import Paths

NARROW, SPARSE = 32.0, 8.0  # channels of a stage below which more of them count little
WEAK = 128.0  # power, likewise
SHALLOW = 4.0  # rows, likewise
STRAIGHT = 8.0  # convolutions that nothing bypasses, up to which they do no harm
BRIEF, LONG = 1e3, 10**4.5  # steps of a training: up to, and from which on, more change nothing
GREY = 0.7  # brevity where the steps are not known: grey images are small data's, briefly trained


class Effect(NamedTuple):
    """The prior of one coefficient: log odds a unit of the feature, and its deviation."""

    mean: float
    deviation: float


SHARED: dict[str, Effect] = {
    # log2 of the channels that all convolutions of a stage have together, stage 0 the last; for few
    # classes the geometric mean of these and of their power
    "channels_0": Effect(0.014, 0.006),
    "channels_1": Effect(0.020, 0.006),
    "channels_2": Effect(0.026, 0.006),
    "channels_3": Effect(0.028, 0.006),
    "channels_4": Effect(0.028, 0.006),
    "channels_0_classes": Effect(0.020, 0.006),
    "channels_1_classes": Effect(0.012, 0.006),
    "channels_2_classes": Effect(-0.003, 0.006),
    "channels_3_classes": Effect(-0.018, 0.006),
    "channels_4_classes": Effect(-0.018, 0.006),
    "spatial_channels": Effect(0.005, 0.003),  # log2, of spatial convolutions, summed over stages
    "depth": Effect(0.012, 0.006),  # log2 of a stage's rows, summed over stages
    "parameters": Effect(0.008, 0.009),  # log2, the classifier's left out
    "parameters_classes": Effect(0.06, 0.012),
    "compute": Effect(0.02, 0.02),  # log2 multiply-adds
    "compute_classes": Effect(-0.02, 0.02),
    "last_map": Effect(0.03, 0.02),  # log2 pixels a side of the last map, for few classes
    "resolution": Effect(0.08, 0.03),  # log2 pixels
    "resolution_classes": Effect(0.24, 0.06),
    "kernel": Effect(0.11, 0.03),  # log2 pixels a side, the mean over stages
    "attention": Effect(0.08, 0.025),  # share of rows
    "smooth": Effect(0.09, 0.02),  # share of channels with h-swish or SiLU
    "width": Effect(0.04, 0.018),  # log2 channels of spatial convolutions, the mean over stages
    "narrowest": Effect(0.015, 0.01),  # log2 of the fewest channels in a row, the mean over rows
    # log2 of the channels that everything passes, times the side: the harmonic mean over rows
    "throat": Effect(0.025, 0.01),
    "reach": Effect(0.01, 0.012),  # log2 of the receptive field in pixels
    # convolutions of a row's deepest path, a 1x1 counting half; share of paths with a blurring pool
    "path": Effect(0.05, 0.02),
    "pooled": Effect(-0.1, 0.05),
    "head": Effect(0.01, 0.006),  # log2 inputs of the classifier
    "dead": Effect(-3.0, 0.6),  # whether nothing reaches the output
    "depth_brief": Effect(-0.15, 0.05),
    "straight_brief": Effect(-0.15, 0.05),  # log2 of the convolutions on the shortest path
    "parameters_brief": Effect(-0.04, 0.03),
    "narrowest_brief": Effect(0.05, 0.03),
}
_PATHS = {
    "number": 0.05, "spatial": 0.14, "convolutions": 0.14, "longest": 0.1, "deepest": 0.05,
    "shortest": 0.14, "plain": 0.14, "single": 0.14, "direct": 0.12, "pooled": 0.14,
    "unpooled": 0.1, "identity": 0.14, "blurred": 0.18, "pools": 0.04, "pointwise": 0.04,
}  # fmt: skip
# Of local features, what one unit is expected to move.
LOCAL: dict[str, float] = {
    **{f"ratio_{i}": 0.1 for i in range(STAGES)},  # log2, of the rows as wide as the stage's first
    **{f"rows_{i}": 0.15 for i in range(STAGES)},
    **{f"wide_ratio_{i}": 0.1 for i in range(STAGES)},  # of the wider rows
    **{f"wide_rows_{i}": 0.15 for i in range(STAGES)},
    **{f"kernel_{i}": 0.027 for i in range(STAGES)},
    **{f"attention_{i}": 0.02 for i in range(STAGES)},
    "parameters": 0.06, "macs": 0.03, "width": 0.045, "reach": 0.03, "narrowest": 0.06,
    "resolution": 0.2, "smooth": 0.06, "dead": 1.0,
    **{f"path_{name}": _PATHS[name] for name in Paths._fields},
}  # fmt: skip
_UNITS = np.array(list(LOCAL.values()))
# Of a network's size in pixels, which is no matter of its kind.
PIXELS = ("macs", "reach", "resolution")
KIND = np.array([name not in PIXELS for name in LOCAL])
MANY = 8.0  # ratio of a stage from which on more of it counts little


def brevity(steps: int | None) -> float:
    """How short a training of so many steps is, 0 to 1; None is one to the end."""
    if steps is None:
        return 0.0
    return min(max((log10(LONG) - log10(max(steps, 1))) / log10(LONG / BRIEF), 0.0), 1.0)


def assumed_brevity(sums: Matrix) -> Vector:
    """The brevity of trainings of which nothing is known."""
    return np.where(_View(sums).fact("colours") == 1, GREY, 0.0)


def shared(sums: Matrix, brief: Vector | float | None = None) -> Matrix:
    """The SHARED features of networks, a row each, from their `network_sums` and the brevity of
    their trainings, where it is known."""
    table, classes = _View(sums), class_weight(sums)
    brief = assumed_brevity(sums) if brief is None else brief
    count = np.log2(1 + table.staged("out") / NARROW)
    power = np.log2(1 + table.staged("power") / WEAK)
    channels = count + (1 - classes)[:, None] / 2 * (power - count)
    compute = np.log2(1 + table.whole("macs"))
    capacity, pixels = np.log2(1 + table.whole("params")), np.log2(table.fact("resolution"))
    layers = table.staged("layers")
    there = layers > 0
    stages = np.maximum(there.sum(axis=1), 1)
    kernels, widths = (
        np.where(there, table.staged(name) / np.where(there, layers, 1), 0).sum(axis=1) / stages
        for name in ("kernels", "widths")
    )
    rows = np.maximum(table.whole("rows"), 1)
    depth = np.log2(1 + table.staged("rows") / SHALLOW).sum(axis=1)
    narrowest = table.whole("narrowest") / rows
    straight = np.log2(np.maximum((1 + table.whole("path_shortest")) / STRAIGHT, 1))
    columns = [
        *channels.T,
        *(count * classes[:, None]).T,
        np.log2(1 + table.staged("spatial") / SPARSE).sum(axis=1),
        depth,
        capacity,
        capacity * classes,
        compute,
        compute * classes,
        np.log2(np.maximum(table.fact("last"), 1)) * (1 - classes),
        pixels,
        pixels * classes,
        kernels,
        table.whole("gated") / rows,
        table.whole("smooth") / np.maximum(table.whole("channels"), 1),
        widths,
        narrowest,
        -np.log2(np.maximum(table.whole("throat"), 1e-6) / rows),
        np.log2(1 + table.whole("reach") * table.fact("resolution")),
        table.whole("path_unpooled") / rows,
        table.whole("path_pooled") / rows,
        np.log2(1 + table.fact("head")),
        dead(sums).astype(float),
        depth * brief,
        straight * brief,
        capacity * brief,
        narrowest * brief,
    ]
    return np.array(columns).T


def local(sums: Matrix) -> Matrix:
    """The LOCAL features of networks, a row each, scaled."""
    table = _View(sums)
    layers, rows = table.staged("layers"), table.staged("rows")
    kernels = np.where(layers > 0, table.staged("kernels") / np.where(layers > 0, layers, 1), 0)
    count = np.maximum(table.whole("rows"), 1)
    wide_ratio, wide_rows = table.split("ratio"), table.split("rows")
    columns = [
        *np.log2(MANY + table.staged("ratio") - wide_ratio).T,
        *np.log2(MANY / 2 + rows - wide_rows).T,
        *np.log2(MANY + wide_ratio).T,
        *np.log2(MANY / 2 + wide_rows).T,
        *kernels.T,
        *(table.staged("gated") / np.maximum(rows, 0.3)).T,
        np.log2(1 + table.whole("params")),
        np.log2(1 + table.whole("macs")),
        table.staged("widths").sum(axis=1) / np.maximum(layers.sum(axis=1), 1),
        np.log2(1 + table.whole("reach") * table.fact("resolution")),
        table.whole("narrowest") / count,
        np.log2(table.fact("resolution")),
        table.whole("smooth") / np.maximum(table.whole("channels"), 1),
        dead(sums).astype(float),
        *(table.whole(f"path_{name}") / count for name in Paths._fields),
    ]
    scaled: Matrix = np.array(columns).T * _UNITS
    return scaled


def dead(sums: Matrix) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which networks compute nothing: a row of theirs is zero whatever its input."""
    return np.asarray(_View(sums).whole("dead") > 0)


def class_counts(sums: Matrix) -> Vector:
    """How many classes networks tell apart."""
    return _View(sums).fact("classes")


def telling(sums: Matrix, classes: Vector | float) -> Matrix:
    """The sums of the same networks, telling so many classes apart."""
    changed = sums.copy()
    changed[:, _FACTS["classes"]] = classes
    return changed


def class_weight(sums: Matrix) -> Vector:
    """The classes' logarithm, scaled: 0 for ten and fewer, 1 for a thousand and more."""
    weight: Vector = np.clip((np.log10(np.maximum(class_counts(sums), 1)) - 1) / 2, 0.0, 1.0)
    return weight


_STAGED = {name: slice(i * STAGES, (i + 1) * STAGES) for i, name in enumerate(STAGED)}
_WHOLE = {name: len(STAGED) * STAGES + i for i, name in enumerate(WHOLE)}
_SPLIT = {name: slice(SIZE + i * STAGES, SIZE + (i + 1) * STAGES) for i, name in enumerate(SPLIT)}
_FACTS = {name: SIZE + len(SPLIT) * STAGES + i for i, name in enumerate(FACTS)}


class _View:
    """The columns of `network_sums` by name."""

    def __init__(self, sums: Matrix) -> None:
        self._sums = sums

    def staged(self, name: str) -> Matrix:
        return self._sums[:, _STAGED[name]]

    def whole(self, name: str) -> Vector:
        return self._sums[:, _WHOLE[name]]

    def split(self, name: str) -> Matrix:
        return self._sums[:, _SPLIT[name]]

    def fact(self, name: str) -> Vector:
        return self._sums[:, _FACTS[name]]
