"""The history that samplers see: as good as all of it, and read from a storage as it grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.study.samplers import Sampler
from nas.study.samplers.history import History
from nas.study.stored import Stored

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


def finished(number: int, params: dict[str, Any], notes: dict[str, Any]) -> Stored:
    x = np.array(list(params.values()))
    failed = number % 7 == 3
    state = TrialState.FAIL if failed else TrialState.COMPLETE
    values = None if failed else [float(x.sum()), float((x**2).sum())]
    return Stored(number, state, values, {}, notes, params)


def frozen(trial: Stored) -> FrozenTrial:
    return trial.frozen([], SPACE)


def grown(history: History, trials: list[Stored], count: int) -> list[Stored]:
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

        return History(DIRECTIONS, Sampler("nsga2", make, generations=forgets), frozen)

    whole = grown(new(forgets=False), [], 150)
    assert max(t.notes["NSGAIISampler:generation"] for t in whole) > 10
    history = new(forgets=True)
    trials = grown(history, [], stop)
    again = new(forgets=True)
    for trial in trials:
        again.add(trial)
    for continued in (grown(history, list(trials), 150), grown(again, list(trials), 150)):
        assert [t.params for t in continued] == [t.params for t in whole]
    assert len(again) == len(history) == 150
    assert len(again._trials.complete) < 30


def test_a_sampler_is_given_the_latest_trials_that_it_reads() -> None:
    seen: list[list[int]] = []

    class Looking(Recording):
        def sample_relative(self, study: Any, trial: FrozenTrial, space: Any) -> dict[str, Any]:
            complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            seen.append([t.number for t in complete])
            return self.chosen

    history = History(DIRECTIONS, Sampler("last", lambda *_: Looking(0), memory=3), frozen)
    for number in range(9):  # 3 has failed
        history.add(finished(number, dict.fromkeys(SPACE, number), {}))
    history.ask(Looking(0))
    assert (seen, len(history)) == ([[6, 7, 8]], 9)


@pytest.mark.parametrize("generations", [False, True])
def test_a_sampler_is_given_the_trials_whose_turn_it_is_but_counts_generations_of_all(
    generations: bool,
) -> None:
    class Looking(NSGAIISampler):
        def sample_relative(
            self, study: Any, trial: FrozenTrial, search_space: Any
        ) -> dict[str, Any]:
            with history.only({"x0": 2}):
                looked = study.get_trials(deepcopy=False)
            seen.extend([[t.number for t in some] for some in (looked, study.get_trials())])
            return {}

    seen: list[list[int]] = []
    made = Sampler("looking", lambda *_: Looking(), generations=generations)
    history = History(DIRECTIONS, made, frozen)
    for number in range(9):  # 3 has failed
        history.add(finished(number, {**dict.fromkeys(SPACE, 5), "x0": number % 4}, {}))
    history.ask(Looking())
    complete = [0, 1, 2, 4, 5, 6, 7, 8]
    assert seen == [complete if generations else [2, 6], complete]


def test_the_best_score_of_a_resolution_is_known_of_what_is_forgotten() -> None:
    history = History(DIRECTIONS, Sampler("none", lambda *_: Recording(0), memory=0), frozen)
    for number, size, score in ((0, 28, -3.0), (1, "16x15", 2.0), (2, 28, -1.0), (3, 28, -2.0)):
        facts = {"resolution": size}
        history.add(Stored(number, TrialState.COMPLETE, [score, 1.0], facts, {}, {}))
    history.add(Stored(4, TrialState.COMPLETE, [9.0, 1.0], {}, {}, {}))  # of an older hw-nas
    history.add(Stored(5, TrialState.FAIL, None, {"resolution": 28}, {}, {}))
    assert history.best == {28: -1.0, "16x15": 2.0}
