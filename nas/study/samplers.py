"""Samplers: Optuna's, wrapped so that every proposal is within budget and, if possible, new.

A sampler is made afresh for every trial from (study seed, trial number), so what it proposes
depends on the history alone and a resumed study goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from nas.errors import NasError, one_of
from nas.study.candidates import Candidate, Candidates

if TYPE_CHECKING:
    from optuna.study import Study as OptunaStudy

POPULATION = 50
NEW_TRIES = 50

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "nsga2": lambda seed: NSGAIISampler(population_size=POPULATION, seed=seed),
    "tpe": lambda seed: TPESampler(multivariate=True, seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}


def check_sampler(name: str) -> None:
    """Errors: `NasError` with the nearest name where there is no such sampler."""
    if name not in SAMPLERS:
        raise one_of("sampler", name, SAMPLERS)


def recall(study: OptunaStudy, name: str) -> None:
    """Brings back what a sampler notes in the study besides its trials, after these were replayed.

    NSGA-II notes each generation's parents when the generation begins, and takes them in another
    order from then on.
    """
    sampler = SAMPLERS[name](0)
    if isinstance(sampler, NSGAIISampler):
        generation = 1
        while sampler.get_population(study, generation):
            sampler.get_parent_population(study, generation)
            generation += 1


class BudgetSampler(BaseSampler):
    """Lets `inner` propose and bends the proposal into the budgets; the random part is its own.

    After `sample_relative`, `candidate` is what was proposed.
    """

    def __init__(
        self, name: str, seed: int, number: int, candidates: Candidates, seen: Container[str]
    ) -> None:
        sequence = np.random.SeedSequence((seed, number))
        self.inner = SAMPLERS[name](int(sequence.generate_state(1)[0]))
        self.rng = np.random.default_rng(sequence)
        self.candidates, self.seen = candidates, seen
        self.candidate: Candidate | None = None

    def infer_relative_search_space(
        self, study: OptunaStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.candidates.space.distributions

    def sample_relative(
        self, study: OptunaStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        chosen = self.inner.sample_relative(study, trial, search_space)
        return self.propose(self.candidates.space.snap(chosen)).params

    def propose(self, chosen: dict[str, Any]) -> Candidate:
        """A candidate near the `chosen` options, within budget and new if it can be."""
        candidate = self.candidates.feasible(chosen, self.rng)
        for _ in range(NEW_TRIES):
            if candidate is None or candidate.arch.hash not in self.seen:
                break
            candidate = self.candidates.feasible(self._neighbour(candidate.params), self.rng)
        if candidate is None:
            raise NasError("no network within all budgets was found; loosen one of them")
        self.candidate = candidate
        return candidate

    def _neighbour(self, params: dict[str, Any]) -> dict[str, Any]:
        """All but one option of `params`: the open one will be redrawn."""
        left_out = list(params)[self.rng.integers(len(params))] if params else None
        return {name: value for name, value in params.items() if name != left_out}

    def sample_independent(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: OptunaStudy, trial: FrozenTrial) -> None:
        self.inner.before_trial(study, trial)

    def after_trial(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self.inner.after_trial(study, trial, state, values)
