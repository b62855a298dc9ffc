"""How far a training is on its way: by its epochs, or by the time that its recipe limits it to."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from nas.training.recipe import Recipe

LATEST = 3  # epochs, by how long which took the next are planned
VALIDATED = 1.25  # times its steps, what a first epoch takes with its validation, or less


class Pace(NamedTuple):
    """Where an epoch begins: the `share` of the training that is behind it, and the epochs that are
    left, which end it."""

    share: float
    left: int

    def at(self, part: float) -> float:
        """The share that is behind once a part of the next epoch is."""
        return self.share + (1 - self.share) * part / self.left


def pace(recipe: Recipe, seconds: Sequence[float]) -> Pace:
    """The pace after epochs that took so many seconds.

    Within `recipe.minutes` as many whole epochs are left as the latest ones say, one at least
    before the training is over: so the learning rate has fallen when it ends, as it should within a
    budget (Li et al. 2020, "Budgeted training"), unless the first epoch turns out to be all.
    """
    done = len(seconds)
    if recipe.minutes is None:
        return Pace(done / recipe.epochs, recipe.epochs - done)
    share = 0.0
    for epoch in range(done):
        # How long the first would take was not known before it, but it is in the end.
        left = _left(recipe, seconds[: max(epoch, 1)], epoch)
        share += (1 - share) / left
        if left == 1:
            return Pace(1.0, 0)
    return Pace(share, _left(recipe, seconds, done) if done else recipe.epochs)


def first_pace(recipe: Recipe, part: float, seconds: float) -> Pace:
    """The pace in the first epoch, of which a part took so many seconds."""
    if recipe.minutes is None or not part:
        return Pace(0.0, recipe.epochs)
    return Pace(0.0, _left(recipe, [VALIDATED * seconds / part], 0))


def _left(recipe: Recipe, seconds: Sequence[float], done: int) -> int:
    """The epochs that are left once some are done, by how long epochs took."""
    assert recipe.minutes is not None
    free = 60 * recipe.minutes - sum(seconds[:done])
    fitting = int(free / max(median(seconds[-LATEST:]), 1e-9) + 1e-6)
    return max(1, min(recipe.epochs - done, fitting))
