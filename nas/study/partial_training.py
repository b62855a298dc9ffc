"""Training networks of a study a part of the way, in workers, and inferring where it would lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.accuracy.regression import log_odds, share_of
from nas.architecture import Architecture
from nas.data import DataOptions, DataSet, load_data
from nas.study.workers.executors import InlineExecutor, Killed
from nas.training.recipe import Recipe

if TYPE_CHECKING:
    from nas.training import TrainingProgress
    from nas.training.checkpoint import Epoch

FEWEST_PAIRS = 4  # trainings by which those that stopped are inferred
LUCK = 0.05  # how likely, at most, what is taken for learned has been guessed


def outcomes(
    executor: Executor, jobs: Sequence[tuple[Any, ...]]
) -> Iterator[list[Epoch] | Exception]:
    """The history of each training in order, for one that failed why it did."""
    from nas.training.checks import Untrainable  # needs torch

    calls: list[Callable[[], list[Epoch]]]
    if isinstance(executor, InlineExecutor):  # which is for what is small: it has one thread
        calls = [partial(train_part, *job) for job in jobs]
    else:
        calls = [executor.submit(train_part, *job).result for job in jobs]
    for call in calls:
        try:
            yield call()
        except (Untrainable, Killed, RuntimeError, MemoryError) as error:  # the others go on
            yield error


def train_part(
    arch: Architecture, source: str, options: str, recipe: Recipe, folder: Path, epochs: int
) -> list[Epoch]:
    """Trains a network in a folder until it has so many of the recipe's epochs; its history.

    Errors: those of `nas.training.train`.
    """
    from nas.training import train
    from nas.training.checkpoint import is_training, read_state

    def stop_at(progress: TrainingProgress) -> None:
        if progress.last and progress.last.epoch >= epochs < recipe.epochs:
            raise _Enough

    if not is_training(folder) or len(read_state(folder).history) < epochs:
        with suppress(_Enough):
            train(arch, _data(source, options), recipe, output=folder, progress=stop_at)
    return list(read_state(folder).history)


class _Enough(Exception):
    """A training has the epochs that were asked for."""


@lru_cache(maxsize=1)
def _data(source: str, options: str) -> DataSet:
    return load_data(source, 0, DataOptions.model_validate_json(options))


def inferred(early: Mapping[int, float], pairs: Sequence[tuple[float, float]]) -> dict[int, float]:
    """What trainings that stopped early would have reached (shares), by the regression of the log
    odds at the end on those early, over the pairs of trainings that went on: which did was chosen
    by the early ones, or whatever these were. Nothing where there are few pairs."""
    if len(pairs) < FEWEST_PAIRS or not early:
        return {}
    x, y = (log_odds(np.array(column)) for column in zip(*pairs, strict=True))
    spread_x = float(((x - x.mean()) ** 2).sum())
    slope = max(0.0, float(((x - x.mean()) * (y - y.mean())).sum()) / spread_x) if spread_x else 0.0
    z = log_odds(np.array(list(early.values())))
    values = share_of(y.mean() + slope * (z - x.mean()))
    return dict(zip(early, map(float, values), strict=True))


def no_better_than_chance(accuracies: Sequence[float], classes: int, images: int) -> bool:
    """Whether networks of these validation accuracies, in percent, may all be guessing: the best of
    so many that do is as good in one of twenty cases or more."""
    from scipy.special import bdtrc

    right = round(max(accuracies) / 100 * images)
    luck = float(bdtrc(right - 1, images, 1 / classes)) if right else 1.0
    return len(accuracies) * luck > LUCK
