"""What each part of a network gives to its predicted accuracy: the shared effects, taken apart.

An effect of a sum over layers (its logarithm, its mean) is shared among the parts as the sum is.
What belongs to no part, the resolution and what a table of one's own shows, is the whole's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nas.accuracy.effects import SHALLOW, SHARED, SPARSE, shared, telling
from nas.accuracy.features import (
    STAGED,
    STAGES,
    WHOLE,
    Matrix,
    Vector,
    network_sums,
    row_sums,
    summed_rows,
)
from nas.architecture import Architecture

WHOLE_NETWORK, REST = "network", "rest"
# Effects that are shared among parts as a sum over the whole network is.
_BY_SUM = {
    "parameters": "params",
    "parameters_classes": "params",
    "parameters_brief": "params",
    "compute": "macs",
    "compute_classes": "macs",
    "attention": "gated",
    "smooth": "smooth",
    "narrowest": "narrowest",
    "narrowest_brief": "narrowest",
    "straight_brief": "path_shortest",
    "depth_brief": "rows",
    "reach": "reach",
    "path": "path_unpooled",
    "pooled": "path_pooled",
}


class Contribution(NamedTuple):
    """A part, such as `stages.2`, and the log odds that it gives, before a task's slope."""

    part: str
    log_odds: float


class Gain(NamedTuple):
    """A part, the log odds that it gives to a prediction, and how many percentage points less would
    be predicted without them; of what is no part's there are no points."""

    part: str
    log_odds: float
    points: float | None


def contributions(
    arch: Architecture, effects: Vector, brief: float | None, classes: float
) -> list[Contribution]:
    """The parts of a network in order, then the whole; they add up to the effects' sum. `brief`
    is the brevity of its training, `classes` are how many it is taken to tell apart."""
    parts: dict[str, Vector] = {}
    rows = [(path.rsplit(".", 1)[0], row) for path, row in arch.named_rows()]
    for (part, row), (shape, last) in zip(rows, summed_rows(arch), strict=True):
        parts[part] = parts.get(part, 0) + row_sums(row, shape, last)
    values = shared(telling(network_sums(arch)[None], classes), brief)[0] * effects
    given = _given(np.array(list(parts.values())), dict(zip(SHARED, values, strict=True)), effects)
    of_parts = [Contribution(part, float(g)) for part, g in zip(parts, given, strict=True)]
    return [*of_parts, Contribution(WHOLE_NETWORK, float(values.sum() - given.sum()))]


def _given(parts: Matrix, values: dict[str, float], effects: Vector) -> Vector:
    given = np.zeros(len(parts))
    layers = _staged(parts, "layers").sum(axis=0)
    stages = max(int((layers > 0).sum()), 1)
    size = dict(zip(SHARED, effects, strict=True))
    for k in range(STAGES):
        channels = values[f"channels_{k}"] + values[f"channels_{k}_classes"]
        given += channels * _shares(_staged(parts, "out")[:, k])
        for effect, name, unit in (
            ("spatial_channels", "spatial", SPARSE),
            ("depth", "rows", SHALLOW),
        ):
            column = _staged(parts, name)[:, k]
            given += size[effect] * np.log2(1 + column.sum() / unit) * _shares(column)
        for effect, name in (("kernel", "kernels"), ("width", "widths")):
            column = _staged(parts, name)[:, k]
            mean = column.sum() / layers[k] / stages if layers[k] else 0.0
            given += size[effect] * mean * _shares(column)
    for effect, name in _BY_SUM.items():
        column = parts[:, len(STAGED) * STAGES + WHOLE.index(name)]
        given += values[effect] * _shares(column)
    return given


def _staged(parts: Matrix, name: str) -> Matrix:
    start = STAGED.index(name) * STAGES
    return parts[:, start : start + STAGES]


def _shares(column: Vector) -> Vector:
    total = column.sum()
    shares: Vector = column / total if total else np.zeros(len(column))
    return shares
