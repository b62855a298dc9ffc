"""What a search trades off: the score, which is raised, against costs, which are lowered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from nas.defaults import DEFAULT_OBJECTIVES
from nas.measures import MEASURES, OBJECTIVES
from nas.study.record import Record
from nas.support.errors import NasError, one_of

SCORE_ALONE = 0.1


def check_objectives(names: Sequence[str]) -> None:
    """Refuses what are no objectives.

    Errors: `NasError` where one is unknown (with the nearest name), twice there or none is.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise one_of("objective", name, OBJECTIVES)
    if not names:
        raise NasError(f"at least one objective is needed of {', '.join(OBJECTIVES)}")
    if len(set(names)) < len(names):
        raise NasError(f"objectives {', '.join(names)}: each can be given once")


def directions(names: Sequence[str]) -> list[StudyDirection]:
    """Optuna's directions: the score upwards, then each named cost downwards."""
    return [StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * len(names)]


def titles(names: Sequence[str], *, predicted: bool) -> list[str]:
    """What a person reads for each of a trial's values."""
    score = "predicted accuracy (%)" if predicted else "score (no accuracy)"
    return [score, *(MEASURES[OBJECTIVES[name]].whole for name in names)]


def losses(records: Sequence[Record], names: Sequence[str]) -> np.ndarray:
    """(records, 1 + objectives): the score with its sign turned and the costs; lower is better."""
    rows = [(-r.score, *(getattr(r, OBJECTIVES[name]) for name in names)) for r in records]
    return np.array(rows, float).reshape(len(rows), 1 + len(names))


def front(points: np.ndarray) -> list[int]:
    """The rows (lower is better in each column) that no other row beats, in lexicographic order.

    A row beats another where it is nowhere worse and somewhere better; of equal rows the first is
    kept.
    """
    left = np.lexsort(points.T[::-1])
    unbeaten = []
    while len(left):
        # Of those that none so far is as good as, the first in order is beaten by none.
        best = points[left[0]]
        unbeaten.append(int(left[0]))
        left = left[(points[left] < best).any(axis=1)]
    return unbeaten


def pareto(records: Sequence[Record], names: Sequence[str] = DEFAULT_OBJECTIVES) -> list[Record]:
    """The records that no other beats in score and the named costs; best score first."""
    return [records[i] for i in front(losses(records, names))]


def trial_losses(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> np.ndarray:
    """(trials, objectives) of the values of completed trials; lower is better in each column."""
    return values_losses([t.values for t in trials], directions)


def values_losses(
    values: Sequence[Sequence[float]], directions: Sequence[StudyDirection]
) -> np.ndarray:
    """(trials, objectives) of the values of trials; lower is better in each column."""
    signs = [-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in directions]
    return np.array(values, float).reshape(len(values), len(signs)) * signs


class Aim(NamedTuple):
    """A point of view on losses: a direction in which to get far.

    What is reached in it is the least over objectives of what is gained over the worst, divided by
    the direction; its mean over random directions is the hypervolume (Golovin and Zhang 2020, arXiv
    2006.04655), but for a constant and a power. Some aims look at the score alone.
    """

    direction: np.ndarray
    worst: np.ndarray
    spread: np.ndarray

    @classmethod
    def drawn(cls, rng: np.random.Generator, losses: np.ndarray) -> Aim:
        """A random aim; gains are in units of the range of `losses`, of which the first is the
        score's."""
        direction = np.abs(rng.standard_normal(losses.shape[1]))
        if rng.random() < SCORE_ALONE:
            direction[1:] = 0
        worst, best = losses.max(axis=0), losses.min(axis=0)
        spread = np.where(worst > best, worst - best, 1.0)
        return cls(direction / np.linalg.norm(direction), worst, spread)

    def reached(self, losses: np.ndarray) -> np.ndarray:
        """The distance that each row of `losses` has come in this direction."""
        with_weight = self.direction > 0
        gains = (self.worst - losses) / self.spread
        reached: np.ndarray = (gains[:, with_weight] / self.direction[with_weight]).min(axis=1)
        return reached
