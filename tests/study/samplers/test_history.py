"""The history that samplers see: as good as all of it, and read from a storage as it grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.study.optuna_private import stored_since
from nas.study.samplers import Sampler
from nas.study.samplers.history import History

SPACE: dict[str, BaseDistribution] = {f"x{n}": IntDistribution(0, 9) for n in range(6)}
DIRECTIONS = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]


class Recording(BaseSampler):
    """NSGA-II that keeps what it proposed; at random what it leaves open."""

    def __init__(self, seed: int) -> None:
        self.inner = NSGAIISampler(population_size=8, seed=seed)
        rng = np.random.default_rng(seed)
        self.chosen: dict[str, Any] = {name: int(rng.integers(10)) for name in SPACE}

    def infer_relative_search_space(self, *_: Any) -> dict[str, BaseDistribution]:
        return SPACE

    def sample_relative(self, *args: Any) -> dict[str, Any]:
        self.chosen |= self.inner.sample_relative(*args)
        return self.chosen

    def sample_independent(self, *_: Any) -> Any:
        raise AssertionError


def finished(number: int, params: dict[str, Any], notes: dict[str, Any]) -> FrozenTrial:
    x = np.array(list(params.values()))
    failed = number % 7 == 3
    trial = create_trial(
        state=TrialState.FAIL if failed else TrialState.COMPLETE,
        values=None if failed else [float(x.sum()), float((x**2).sum())],
        params=params,
        distributions=SPACE,
        system_attrs=notes,
    )
    trial.number = trial._trial_id = number
    return trial


def grown(history: History, trials: list[FrozenTrial], count: int) -> list[FrozenTrial]:
    """The trials of a search that goes on from those."""
    for number in range(len(trials), count):
        sampler = Recording(number)
        notes = history.ask(sampler)
        trials.append(finished(number, sampler.chosen, notes))
        history.add(trials[-1])
    return trials


@pytest.mark.parametrize("stop", [1, 60, 73, 120])
def test_nsga2_needs_nothing_that_is_forgotten_also_when_replayed(stop: int) -> None:
    def new(forgets: bool) -> History:
        def make(seed: int, ancestors: Any) -> BaseSampler:
            return NSGAIISampler(population_size=8, seed=seed)

        return History(DIRECTIONS, Sampler("nsga2", make, generations=forgets))

    whole = grown(new(forgets=False), [], 150)
    assert max(t.system_attrs["NSGAIISampler:generation"] for t in whole) > 10
    history = new(forgets=True)
    trials = grown(history, [], stop)
    again = new(forgets=True)
    for trial in trials:
        again.add(trial)
    for continued in (grown(history, list(trials), 150), grown(again, list(trials), 150)):
        assert [t.params for t in continued] == [t.params for t in whole]
    assert len(again) == len(history) == 150
    assert len(again._trials.complete) < 30


def test_stored_trials_are_read_once_each_as_they_come() -> None:
    study = optuna.create_study(directions=DIRECTIONS)
    assert list(stored_since(study, 0)) == []
    study.add_trials([finished(n, dict.fromkeys(SPACE, n), {}) for n in range(5)])
    assert [t.number for t in stored_since(study, 0)] == [0, 1, 2, 3, 4]
    assert [t.number for t in stored_since(study, 3)] == [3, 4]
    assert list(stored_since(study, 5)) == []
