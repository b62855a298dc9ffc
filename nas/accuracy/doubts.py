"""What is doubtful of accuracies that predictions are to be adapted to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt

import numpy as np

from nas.accuracy.adaptation import Mask
from nas.accuracy.features import Vector
from nas.accuracy.regression import HIGHEST, LOWEST
from nas.imported import Network

NAMED = 3  # networks that a warning names
OPPOSITE = 10  # networks from which on accuracies can contradict the prior
BY_CHANCE = 3.0  # deviations of a correlation of nothing


def doubts(
    archs: Sequence[Network], values: Vector, unit: float, far: Mask, before: Vector
) -> Iterator[str]:
    """Yields a line for each doubt. values: accuracies of `unit` at most; far: of which networks
    they are far from what the others show; before: the prior means of their log odds."""
    few = int(((values > 0) & (values <= 1) & ~far).sum()) if unit > 1 else 0
    if few:
        yield (
            f"{few} of {len(values)} accuracies are at most 1 beside others in percent, so they "
            "are taken for percent too"
        )
    shares = values / unit
    if drawn_in := int((((shares < LOWEST) | (shares > HIGHEST)) & ~far).sum()):
        yield (
            f"{drawn_in} of {len(values)} accuracies to learn from are below {100 * LOWEST:g}% or "
            f"above {100 * HIGHEST:g}%, and count as these"
        )
    if far.any():
        names = [archs[i].name or archs[i].hash[:12] for i in np.flatnonzero(far)[:NAMED]]
        yield (
            f"{far.sum()} of {len(values)} accuracies to learn from say nothing of the others, "
            f"from which they are far, as of a broken training: {', '.join(names)}"
        )
    if opposite(before[~far], values[~far]):
        yield (
            "accuracies to learn from fall where networks are expected to be better: are they "
            "errors?"
        )


def opposite(before: Vector, values: Vector) -> bool:
    """Whether accuracies fall with the prior's means, by more than chance."""
    if len(values) < OPPOSITE or not before.std() or not values.std():
        return False
    correlation = float(np.corrcoef(before, values)[0, 1])
    return correlation * sqrt(len(values)) < -BY_CHANCE
