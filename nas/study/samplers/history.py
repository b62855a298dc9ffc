"""A study's history as samplers see it: in memory, and not copied as Optuna's storages do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.samplers import BaseGASampler, BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.resolution import Resolution
from nas.space import Params
from nas.study.optuna_private import generation_of, id_of
from nas.study.quiet import quiet
from nas.study.samplers.registry import Sampler
from nas.study.stored import Stored
from nas.support.errors import NasError

NAME = "history"


class History:
    """The finished trials in the order in which they were stored, and the sampler's notes on them.

    A `sampler` that says how many of the latest completed ones it reads is given no more of them;
    `frozen` makes Optuna's trial of a stored one, where it is read.

    One with generations notes the parents of each when it begins, and reads nothing older
    from then on: neither does this. `best` is the highest score of each resolution, forgotten
    trials included.
    """

    def __init__(
        self,
        directions: Sequence[StudyDirection],
        sampler: Sampler,
        frozen: Callable[[Stored], FrozenTrial],
    ) -> None:
        self._trials, self._count, self._generation = _Trials(sampler.memory, frozen), 0, 0
        self._genetic = _genetic(sampler) if sampler.generations else None
        self.best: dict[Resolution, float] = {}
        with quiet():
            optuna.create_study(study_name=NAME, storage=self._trials, directions=directions)

    def __len__(self) -> int:
        return self._count

    def add(self, trial: Stored) -> None:
        """Takes a finished trial as it is."""
        if self._genetic:
            self._begin(generation_of(self._genetic, trial.notes), self._genetic)
        if trial.complete:
            self._trials.complete.append(trial)
            size = trial.facts.get("resolution")
            if isinstance(size, Resolution) and trial.values:
                score = trial.values[0]
                self.best[size] = max(score, self.best.get(size, score))
        self._count += 1

    def _begin(self, generation: int, sampler: BaseGASampler) -> None:
        """Forgets what is older than the parents of a generation, if that is a new one."""
        if generation > self._generation:
            self._generation = generation
            parents = sampler.get_parent_population(self._study(sampler), generation)
            numbers = {parent.number for parent in parents}
            self._trials.keep(numbers)

    @contextmanager
    def only(self, params: Params) -> Iterator[None]:
        """A context in which there are only the trials of these params; of samplers with
        generations all, for they count them."""
        self._trials.only = {} if self._genetic else params
        try:
            yield
        finally:
            self._trials.only = {}

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


def _genetic(sampler: Sampler) -> BaseGASampler:
    """One of the samplers that will be asked. Errors: `NasError` where it has no generations."""
    made = sampler.made(0, ())
    if not isinstance(made, BaseGASampler):
        raise NasError(
            f"sampler '{sampler.name}' is registered with generations, so it must be a subclass of "
            f"optuna.samplers.BaseGASampler, not {type(made).__name__}"
        )
    return made


class _Trials(InMemoryStorage):
    """Of trials there are the completed ones, the only ones that the samplers look at, and the one
    that is being asked for."""

    def __init__(self, memory: int | None, frozen: Callable[[Stored], FrozenTrial]) -> None:
        super().__init__()
        self._frozen = frozen
        self.complete: deque[FrozenTrial | Stored] = deque(maxlen=memory)
        self.asked: FrozenTrial | None = None
        self.only: Params = {}

    def keep(self, numbers: Container[int]) -> None:
        """Forgets all but the trials of these numbers."""
        kept = [trial for trial in self.complete if trial.number in numbers]
        self.complete = deque(kept, self.complete.maxlen)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        assert self.asked is not None
        assert id_of(self.asked) == trial_id
        self.asked.system_attrs[key] = value

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        wanted = states is None or TrialState.COMPLETE in states
        if not wanted:
            return []
        for i, trial in enumerate(self.complete):
            if isinstance(trial, Stored):
                self.complete[i] = self._frozen(trial)
        only = self.only.items()
        known = (trial for trial in self.complete if isinstance(trial, FrozenTrial))
        return [trial for trial in known if only <= trial.params.items()]
