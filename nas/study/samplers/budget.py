"""`BudgetSampler`: any sampler, its proposals bent into the budgets and, if possible, new.

A sampler is made afresh for every trial from (study seed, trial number), so what it proposes
depends on the history alone and a resumed study goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, TrialState

from nas.study.candidates import Candidate
from nas.study.samplers.history import History
from nas.study.samplers.registry import SAMPLERS
from nas.study.study import Study
from nas.support.errors import NasError, mistakes_of

NEW_TRIES = 50


class BudgetSampler(BaseSampler):
    """Lets `inner` propose and bends the proposal into the budgets; the random part is its own.

    With a cascade it lets it propose several times and takes the most promising. After
    `sample_relative`, `candidate` is what was proposed.
    """

    def __init__(self, study: Study, history: History, number: int, seen: Container[str]) -> None:
        settings = study.settings
        sequence = np.random.SeedSequence((settings.seed, number))
        self.kind = SAMPLERS[settings.sampler]
        self.inner = self.kind.made(int(sequence.generate_state(1)[0]), study.reference_trials)
        self.rng = np.random.default_rng(sequence)
        self.study, self.candidates, self.seen = study, study.candidates, seen
        self.history = history
        self.candidate: Candidate | None = None

    def infer_relative_search_space(
        self, study: OptunaStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.candidates.space.distributions

    def sample_relative(
        self, study: OptunaStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        turn = self.candidates.turn(self.history.best, self.rng)
        space = self.candidates.space

        def proposed() -> dict[str, Any]:
            with self.history.only(turn), self._mistakes:
                chosen = self.inner.sample_relative(study, trial, search_space)
                chosen = self.kind.checked(chosen, space.options)
            return {**space.snap(chosen), **turn}

        cascade = self.study.settings.cascade
        if cascade == 1:
            return self.propose(proposed()).assignment
        bent = (self.candidates.feasible(proposed(), self.rng) for _ in range(cascade))
        new = {c.arch.hash: c for c in bent if c and c.arch.hash not in self.seen}
        if not new:
            return self.propose(proposed()).assignment
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        known = [*self.study.reference_trials, *complete]
        self.candidate = self.study.screen.pick(list(new.values()), known, self.rng)
        return self.candidate.assignment

    def propose(self, chosen: dict[str, Any]) -> Candidate:
        """A candidate near the `chosen` options, within budget and new if it can be."""
        candidate = self.candidates.feasible(chosen, self.rng)
        for _ in range(NEW_TRIES):
            if candidate is None or candidate.arch.hash not in self.seen:
                break
            candidate = self.candidates.feasible(self._neighbour(candidate.assignment), self.rng)
        if candidate is None:
            raise NasError("no network within all budgets was found; loosen one of them")
        self.candidate = candidate
        return candidate

    def _neighbour(self, assignment: dict[str, Any]) -> dict[str, Any]:
        """All but one option of an assignment: the open one will be redrawn."""
        left_out = list(assignment)[self.rng.integers(len(assignment))] if assignment else None
        return {name: value for name, value in assignment.items() if name != left_out}

    def sample_independent(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    @property
    def _mistakes(self) -> AbstractContextManager[None]:
        return mistakes_of(f"sampler '{self.kind.name}'", self.kind.make)

    def before_trial(self, study: OptunaStudy, trial: FrozenTrial) -> None:
        with self._mistakes:
            self.inner.before_trial(study, trial)

    def after_trial(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self.inner.after_trial(study, trial, state, values)
