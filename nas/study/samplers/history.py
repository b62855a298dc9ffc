"""A study's history as samplers see it: in memory, and not copied as Optuna's storages do."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.study.quiet import quiet

NAME = "history"
GENERATION = "NSGAIISampler:generation"


class History:
    """The finished trials in the order in which they were stored, and the sampler's notes on them.

    `sampler` is one of those that will be asked. NSGA-II notes each generation's parents when it
    begins, and looks at nothing older from then on: neither does this.
    """

    def __init__(self, directions: Sequence[StudyDirection], sampler: BaseSampler) -> None:
        self._trials, self._count, self._generation = _Trials(), 0, 0
        self._genetic = sampler if isinstance(sampler, NSGAIISampler) else None
        with quiet():
            optuna.create_study(study_name=NAME, storage=self._trials, directions=directions)

    def __len__(self) -> int:
        return self._count

    def add(self, trial: FrozenTrial) -> None:
        """Takes a finished trial as it is."""
        generation = trial.system_attrs.get(GENERATION, 0)
        if self._genetic and generation > self._generation:
            self._generation = generation
            study = self._study(self._genetic)
            parents = self._genetic.get_parent_population(study, generation)
            numbers = {parent.number for parent in parents}
            self._trials.complete = [t for t in self._trials.complete if t.number in numbers]
        if trial.state == TrialState.COMPLETE:
            self._trials.complete.append(trial)
        self._count += 1

    def ask(self, sampler: BaseSampler) -> dict[str, Any]:
        """Lets the sampler propose. What it noted on the trial, which is to be stored with it."""
        study = self._study(sampler)
        trial = self._trials.asked = create_trial(state=TrialState.RUNNING)
        sampler.before_trial(study, trial)
        space = sampler.infer_relative_search_space(study, trial)
        sampler.sample_relative(study, trial, space)
        return trial.system_attrs

    def _study(self, sampler: BaseSampler) -> optuna.Study:
        """Made anew, for it reads the trials but once."""
        return optuna.load_study(study_name=NAME, storage=self._trials, sampler=sampler)


class _Trials(InMemoryStorage):
    """Of trials there are the completed ones, the only ones that the samplers look at, and the one
    that is being asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.complete: list[FrozenTrial] = []
        self.asked: FrozenTrial | None = None

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        assert self.asked is not None
        assert self.asked._trial_id == trial_id
        self.asked.system_attrs[key] = value

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        wanted = states is None or TrialState.COMPLETE in states
        return self.complete.copy() if wanted else []


def stored_since(study: optuna.Study, number: int) -> Iterator[FrozenTrial]:
    """The trials of a stored study from a number on, at a cost that is theirs alone."""
    if number == 0:
        yield from study.get_trials(deepcopy=False)
        return
    storage, study_id = study._storage, study._study_id
    while True:
        try:
            trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
        except KeyError:
            return
        yield storage.get_trial(trial_id)
        number += 1
