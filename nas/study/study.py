"""`Study`: a stored search, its settings, trials and Pareto front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas import plugins
from nas.architecture import Architecture
from nas.budget import Budget, parse_budgets
from nas.latency import Target
from nas.measures import OBJECTIVES
from nas.proxies import Combiner
from nas.space import SearchSpace
from nas.study.best import best
from nas.study.candidates import Candidate, Candidates
from nas.study.objectives import directions, pareto
from nas.study.predictions import Predictions
from nas.study.record import Record, record_of
from nas.study.samplers.cascade import Screen
from nas.study.scoring import Combined, Outcome, Predicted, Scorer, predicted
from nas.study.settings import StudySettings, read_settings
from nas.study.storage.storage import Storage, locate
from nas.support.errors import NasError

SETTINGS, REFERENCE, NETWORKS = "nas:settings", "nas:reference", "nas:reference_networks"
# What spaces that were stored before these settings did without.
UNBOUND = {"narrowest": 1, "narrowest_share": 0.0}
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)  # of stored values


class Study:
    """A stored search. `optuna` is the underlying Optuna study, as any Optuna tool sees it."""

    def __init__(self, storage: Storage, stored: optuna.Study) -> None:
        self.storage, self.optuna = storage, stored
        self.name = stored.study_name
        with self.undamaged():
            text = stored.user_attrs.get(SETTINGS)
        if not isinstance(text, str):
            raise NasError(f"study '{self.name}' in {storage} was not made by nas")
        self.settings = read_settings(text, f"study '{self.name}'")

    @classmethod
    def create(
        cls,
        name: str,
        settings: StudySettings,
        storage: Storage,
        candidates: Candidates | None = None,
    ) -> Study:
        """A new study, which goes on with the `candidates` by which its settings were checked.

        Errors: `NasError` where the name is taken or the storage not writable.
        """
        attributes = {SETTINGS: settings.model_dump_json()}
        study = cls(storage, storage.create(name, attributes, directions(settings.objectives)))
        if candidates:
            study.space, study.target = candidates.space, candidates.target
            study.budgets, study.candidates = candidates.budgets, candidates
        return study

    @classmethod
    def load(cls, name: str, storage: str | None = None) -> Study:
        """An existing study by its name or its journal's path; its plugins are loaded too.

        Errors: `NasError`, also where a plugin is missing or has changed since the study began.
        """
        study = cls.open(*locate(name, storage))
        study.load_plugins()
        return study

    @classmethod
    def open(cls, storage: Storage, name: str) -> Study:
        """An existing study, whose plugins are not needed for what it holds but the networks."""
        return cls(storage, storage.open(name))

    def load_plugins(self) -> None:
        """Registers the blocks and proxies of the study's plugins.

        Errors: `NasError` where a plugin is missing or has changed since the study began.
        """
        plugins.restore(self.settings.plugins, f"study '{self.name}'")

    @cached_property
    def space(self) -> SearchSpace:
        return SearchSpace.from_dict(UNBOUND | self.settings.space, f"study '{self.name}'")

    @cached_property
    def target(self) -> Target:
        """The study's target. Errors: `NasError` where its table is not the one it began with."""
        target = Target.load(self.settings.target)
        if target.checksum != self.settings.target_checksum:
            raise NasError(
                f"study '{self.name}': the table of target '{target.name}' has changed since the "
                "study began, so its latencies would not compare; begin a new study"
            )
        return target

    @cached_property
    def budgets(self) -> tuple[Budget, ...]:
        return parse_budgets(self.settings.budgets)

    @cached_property
    def candidates(self) -> Candidates:
        return Candidates(self.space, self.target, self.budgets)

    @property
    def directions(self) -> list[StudyDirection]:
        """Optuna's direction of each of a trial's `values`."""
        return directions(self.settings.objectives)

    def values(self, score: float, candidate: Candidate) -> list[float]:
        """A trial's values: its score, then the study's objectives in their order."""
        measures = [OBJECTIVES[name] for name in self.settings.objectives]
        return [score, *(candidate.value(measure) for measure in measures)]

    @property
    def warm_start(self) -> list[tuple[dict[str, Any], str | None]]:
        """The assignments to begin with, before any sampler is asked, within budget; with the
        names of those that are hand-scaled."""
        own = [(assignment, None) for assignment in self.settings.start_from]
        families = self.settings.families.items()
        return [*own, *((assignment, name) for name, assignment in families)]

    @property
    def predicts(self) -> bool:
        """Whether the score is the predicted accuracy, and not a combination of proxies."""
        return not self.settings.proxies

    @cached_property
    def predictions(self) -> Predictions:
        """The accuracy model of the study, and what it says of the trials."""
        return Predictions(self.optuna)

    def refresh(self) -> None:
        """Takes what another process may have trained, and predicts anew by it."""
        self.__dict__.pop("reference_trials", None)
        self.predictions.refresh()
        if self.predicts:
            self.predictions.renew(self.trials())

    def learn(self, measured: Sequence[tuple[Architecture, float]]) -> None:
        """Adapts predictions to trained networks, with accuracies in percent, all there are."""
        self.predictions.learn(measured)
        self.refresh()

    def combiner(self) -> Combiner | None:
        """The score's combination of proxies, None before its reference sample was scored."""
        reference = self.reference
        return self._combined(reference) if reference else None

    def scorer(self) -> Scorer | None:
        """What candidates are scored by, None before there is a reference sample."""
        if self.predicts:
            return Predicted(self.predictions.model) if NETWORKS in self.optuna.user_attrs else None
        combiner = self.combiner()
        return self._scorer(combiner) if combiner else None

    def reference_scorer(self) -> Scorer:
        """What the reference sample is scored by."""
        return Predicted(self.predictions.model) if self.predicts else self._scorer(None)

    def _scorer(self, combiner: Combiner | None) -> Scorer:
        return Combined(self.settings.proxies, self.settings.seed, combiner)

    def set_reference(
        self, reference: list[Outcome], assignments: Sequence[dict[str, Any]]
    ) -> Scorer:
        """Stores the scores of the reference sample and its assignments, once."""
        if not self.predicts:
            self.optuna.set_user_attr(REFERENCE, reference)
        self.optuna.set_user_attr(NETWORKS, list(assignments))
        return (
            Predicted(self.predictions.model)
            if self.predicts
            else self._scorer(self._combined(reference))
        )

    @property
    def reference(self) -> list[dict[str, float]]:
        """The proxies' scores of the reference sample; none before they are stored."""
        try:
            stored = self.optuna.user_attrs.get(REFERENCE, [])
            return [{name: float(v) for name, v in scores.items()} for scores in stored]
        except DAMAGE as error:
            raise self._damaged(error) from None

    @cached_property
    def reference_trials(self) -> list[FrozenTrial]:
        """The reference sample as if it had been searched; none before it is stored, or where an
        older hw-nas stored its scores alone."""
        networks = self.optuna.user_attrs.get(NETWORKS, [])
        try:
            if self.predicts:
                archs = [self.space.decode(assignment) for assignment in networks]
                scores = [found.value for found in predicted(self.predictions.model, archs)]
            else:
                combiner = self.combiner()
                scores = [combiner.score(each) for each in self.reference] if combiner else []
            pairs = zip(networks, scores, strict=True) if networks else ()
            return [self._reference_trial(*pair) for pair in pairs]
        except DAMAGE as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> NasError:
        return NasError(f"study '{self.name}': its reference sample is damaged: {error!r}")

    def _reference_trial(self, assignment: dict[str, Any], score: float) -> FrozenTrial:
        candidate = self.candidates.make(assignment)
        return create_trial(
            values=self.values(score, candidate),
            params=assignment,
            distributions=self.space.distributions,
            user_attrs={"hash": candidate.arch.hash},
        )

    @cached_property
    def screen(self) -> Screen:
        """The model that picks the most promising of several proposals."""
        return Screen(self.candidates, self.settings.objectives)

    def _combined(self, reference: list[dict[str, float]]) -> Combiner:
        return Combiner(self.settings.proxies).fit(reference)

    def trials(self) -> list[FrozenTrial]:
        """Every finished trial, failed ones included."""
        finished = (TrialState.COMPLETE, TrialState.FAIL)
        with self.undamaged():
            found = self.optuna.get_trials(deepcopy=False, states=finished)
            return [self.predictions.current(trial) for trial in found]

    @contextmanager
    def undamaged(self) -> Iterator[None]:
        """Errors: `NasError` where a database's rows are not as Optuna writes them."""
        try:
            yield
        except NasError:
            raise
        except (*DAMAGE, AssertionError) as error:
            raise NasError(f"study '{self.name}' in {self.storage} is damaged: {error!r}") from None

    def records(self) -> list[Record]:
        """The finished trials that gave a score, in order. All of them meet every budget."""
        return [record_of(t) for t in self.trials() if t.state == TrialState.COMPLETE]

    def record(self, number: int | None = None) -> Record:
        """One trial by its number, or the best. Errors: `NasError` where there is none."""
        records = {r.trial: r for r in self.records()}
        if not records:
            raise NasError(f"study '{self.name}' has no finished trial yet")
        if number is None:
            return best(list(records.values()), self.settings.objectives)
        if number not in records:
            raise NasError(
                f"trial {number} of study '{self.name}' is none of its scored trials, "
                f"{min(records)} to {max(records)}"
            )
        return records[number]

    def network(self, record: Record) -> Architecture:
        """A trial's network, under the name of study and trial."""
        return record.arch.renamed(f"{self.name}-{record.trial}")

    def pareto(self) -> list[Record]:
        """The trials that none beats in score and objectives, best score first."""
        return pareto(self.records(), self.settings.objectives)
