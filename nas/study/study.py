"""`Study`: a stored search, its settings, trials and Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial

from nas import plugins
from nas.architecture import Architecture
from nas.budget import Budget, parse_budgets
from nas.charts import XY
from nas.charts.picture import Picture
from nas.defaults import STUDIES_FOLDER
from nas.latency import Target
from nas.latency.kept import keep, restored
from nas.latency.target import shipped_checksum, shipped_target
from nas.measures import OBJECTIVES
from nas.proxies.combine import Combiner
from nas.pruning.space import PruningSpace
from nas.space import SearchSpace
from nas.space.options import OptionSpace
from nas.study.candidates import Candidate, Candidates
from nas.study.objectives import directions, pareto, titles
from nas.study.predictions import Predictions
from nas.study.progress import Tally
from nas.study.pruning import candidates_of, inheritance_of
from nas.study.record import Record, record_of
from nas.study.reference import ReferenceSample
from nas.study.scoring import Combined, Inherited, Outcome, Predicted, Scorer, predicted
from nas.study.settings import StudySettings, read_settings
from nas.study.shown import facts_text, pareto_chart, trials_dataframe
from nas.study.storage.log import Cursor
from nas.study.storage.storage import Storage, locate
from nas.study.stored import DAMAGE, OptionTable, Stored, damaged
from nas.support.errors import NasError, one_of
from nas.support.files import file_name
from nas.support.html import Html, tag

if TYPE_CHECKING:
    import pandas as pd

    from nas.study.samplers.cascade import Screen

SETTINGS, OPTIONS, IDENTITY = "nas:settings", "nas:options", "nas:identity"
TARGET = "nas:target"
# What spaces that were stored before these settings did without.
UNBOUND = {"narrowest": 1, "narrowest_share": 0.0}


class Study:
    """A stored search. What is in it is read from its `log`, as a stream."""

    def __init__(self, storage: Storage, name: str) -> None:
        self.storage, self.name = storage, name
        self.moved: str | None = None  # where its data are, if no longer where they were
        self.log = storage.log(name)
        with storage.explained_reading(name):
            text = self.log.attributes().get(SETTINGS)
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
        attributes: dict[str, Any] = {SETTINGS: settings.model_dump_json(), IDENTITY: uuid4().hex}
        if candidates:
            attributes[OPTIONS] = [
                [name, values] for name, values in candidates.space.options.items()
            ]
            if (kept := keep(candidates.target)) is not None:
                attributes[TARGET] = kept
        names = titles(settings.objectives, settings.score_name)
        storage.create(name, attributes, directions(settings.objectives), names)
        study = cls(storage, name)
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
        return cls(storage, name)

    def load_plugins(self) -> None:
        """Registers the blocks and proxies of the study's plugins.

        Errors: `NasError` where a plugin is missing or has changed since the study began.
        """
        plugins.restore(self.settings.plugins, f"study '{self.name}'")

    @cached_property
    def optuna(self) -> optuna.Study:
        """The underlying Optuna study, as any Optuna tool sees it, read whole."""
        return self.storage.optuna_study(self.name)

    @cached_property
    def identity(self) -> str:
        """What tells the study from any other, of the same name or not: made when it began."""
        made = self.log.attributes().get(IDENTITY)
        if isinstance(made, str) and made:
            return made
        return sha256(f"{self.name} {self.settings.model_dump_json()}".encode()).hexdigest()[:32]

    @cached_property
    def space(self) -> OptionSpace:
        if self.settings.pruning is not None:
            return PruningSpace.from_dict(self.settings.space, f"study '{self.name}'")
        return SearchSpace.from_dict(UNBOUND | self.settings.space, f"study '{self.name}'")

    @cached_property
    def target(self) -> Target:
        """The study's target as it was when the study began, whatever became of its table since.

        Errors: `NasError` where its table has changed and the study, of an older hw-nas, has not
        kept what it predicts.
        """
        checksum = self.settings.target_checksum
        kept = self.log.attributes().get(TARGET)
        if isinstance(kept, str):
            return restored(kept, checksum, f"study '{self.name}'")
        target = Target.load(self.settings.target)
        if target.checksum != checksum:
            if shipped_checksum(target.name) == checksum:
                return shipped_target(target.name)
            raise NasError(
                f"study '{self.name}': the table of target '{target.name}' has changed since the "
                "study began, so its latencies would not compare: "
                f"nas resume {self.name} --repredict predicts them anew"
            )
        return target

    @cached_property
    def budgets(self) -> tuple[Budget, ...]:
        return parse_budgets(self.settings.budgets)

    @cached_property
    def candidates(self) -> Candidates:
        return candidates_of(self.space, self.target, self.budgets)

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
        """Whether the score is the predicted accuracy, and neither a combination of proxies nor the
        accuracy that is inherited."""
        return not self.settings.proxies and self.settings.pruning is None

    @property
    def score_name(self) -> str:
        """What its scores are."""
        return self.settings.score_name

    @cached_property
    def predictions(self) -> Predictions:
        """The accuracy model of the study, and what it says of the trials."""
        return Predictions(self.log, self.name, self.settings.training_steps)

    def refresh(self) -> None:
        """Takes what another process may have trained, and predicts anew by it."""
        if not self.predicts:
            return
        self.predictions.refresh()
        self.predictions.renew(self.stored(), self._decoded)
        for name in ("reference_trials", "_followed"):  # which hold what was predicted before
            self.__dict__.pop(name, None)

    def learn(self, measured: Sequence[tuple[Architecture, float]]) -> None:
        """Adapts predictions to trained networks, with accuracies in percent, all there are."""
        self.predictions.learn(measured)
        self.refresh()

    @cached_property
    def sample(self) -> ReferenceSample:
        """The random networks that the study begins with, as they are stored."""
        return ReferenceSample(self.log, self.name)

    def combiner(self) -> Combiner | None:
        """The score's combination of proxies, None before its reference sample was scored."""
        reference = self.sample.scores
        return self._combined(reference) if reference else None

    def scorer(self) -> Scorer | None:
        """What candidates are scored by, None before there is a reference sample, which inherited
        accuracy does without."""
        if self.settings.pruning is not None:
            return self.reference_scorer()
        if self.predicts:
            return self.reference_scorer() if self.sample.assignments else None
        combiner = self.combiner()
        return self._scorer(combiner) if combiner else None

    def reference_scorer(self) -> Scorer:
        """What the reference sample is scored by."""
        if (pruning := self.settings.pruning) is not None:
            return Inherited(inheritance_of(self.settings, self.moved), pruning.enough)
        return Predicted(self.predictions.model) if self.predicts else self._scorer(None)

    def _scorer(self, combiner: Combiner | None) -> Scorer:
        return Combined(self.settings.proxies, self.settings.seed, combiner)

    def set_reference(
        self, reference: list[Outcome], assignments: Sequence[dict[str, Any]]
    ) -> Scorer:
        """Stores the scores of the reference sample and its assignments, once."""
        self.sample.store(assignments, None if self.predicts else reference)
        return self.reference_scorer() if self.predicts else self._scorer(self._combined(reference))

    @cached_property
    def reference_trials(self) -> list[FrozenTrial]:
        """The reference sample as if it had been searched; none before it is stored, or where an
        older hw-nas stored its scores alone."""
        networks = self.sample.assignments
        model = self.predictions.model if self.predicts else None
        sampled = [] if self.predicts else self.sample.scores
        combiner = self._combined(sampled) if sampled else None
        try:
            if model:
                archs = [self.space.decode(assignment) for assignment in networks]
                scores = [each.value for each in predicted(model, archs)]
            else:
                scores = [combiner.score(each) for each in sampled] if combiner else []
            pairs = zip(networks, scores, strict=True) if networks and scores else ()
            return [self._reference_trial(*pair) for pair in pairs]
        except DAMAGE as error:
            raise self.sample.damaged(error) from None

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
        from nas.study.samplers.cascade import Screen  # loads all samplers

        return Screen(self.candidates, self.settings.objectives)

    def _combined(self, reference: list[dict[str, float]]) -> Combiner:
        return Combiner(self.settings.proxies).fit(reference)

    @cached_property
    def _table(self) -> OptionTable | None:
        table: OptionTable | None = self.log.attributes().get(OPTIONS)
        return table

    @property
    def options(self) -> OptionTable:
        """The options by which the assignments of its trials are stored."""
        return list(self.space.options.items()) if self._table is None else self._table

    def indices(self, assignment: Mapping[str, Any]) -> list[int | None] | dict[str, Any]:
        """An assignment as it is stored: in a study of an older hw-nas, as it is."""
        if self._table is None:
            return dict(assignment)
        return [
            values.index(assignment[name]) if name in assignment else None
            for name, values in self._table
        ]

    def store(self, action: Callable[[], None]) -> None:
        """Stores something while no driver does, waiting for a connection that is lost. Errors:
        `NasError` where the storage cannot be written."""
        with self.storage.driven(self.name) as driven:
            driven.alone(action)

    def stored(self, cursor: Cursor | None = None) -> Iterator[Stored]:
        """Yields every finished trial, failed ones included, from a cursor on, which follows; with
        what is predicted of it now."""
        with self.storage.explained_reading(self.name):
            for trial in self.log.trials(cursor or Cursor()):
                yield self.predictions.current(trial)

    def frozen(self, trial: Stored) -> FrozenTrial:
        """A trial as Optuna's samplers see it. Errors: `NasError` where it is damaged."""
        return trial.frozen(self.options, self.space.distributions)

    def trials(self) -> list[FrozenTrial]:
        """Every finished trial, failed ones included, as Optuna's samplers see them."""
        return [self.frozen(trial) for trial in self.stored()]

    def records(self, some: Container[int] | None = None) -> list[Record]:
        """The finished trials that gave a score, in order; `some` of these numbers, or all of them.
        Each meets every budget."""
        return [
            self.record_of(trial)
            for trial in self.stored()
            if trial.complete and (some is None or trial.number in some)
        ]

    def record_of(self, trial: Stored) -> Record:
        """The record of a completed trial. Errors: `NasError` where it is damaged."""
        return record_of(trial, self._decoded)

    def _decoded(self, trial: Stored) -> Architecture:
        try:
            if (whole := trial.facts.get("architecture")) is not None:  # of an older hw-nas
                return Architecture.from_dict(whole)
            arch = self.space.decode(trial.assignment(self.options))
            same = arch.hash == trial.facts["hash"]
        except NasError:
            raise
        except DAMAGE as error:
            raise damaged(trial.number, error) from None
        if not same:
            raise NasError(
                f"trial {trial.number} of study '{self.name}': its assignment gives another "
                "network than the one that was scored"
            )
        return arch

    def tally(self) -> Tally:
        """The counts, the best and the Pareto front as they are now; only these are in memory."""
        cursor, tally = self._followed
        for trial in self.stored(cursor):
            tally.add(trial, self.record_of)
        return tally

    def followed(self) -> tuple[Cursor, Tally]:
        """A cursor at the beginning, with the tally of what is read by it: the study's own, so that
        nothing is read twice, unless that has been read before."""
        if self._followed[0].position:
            self._followed = Cursor(), Tally(self.settings.objectives)
        return self._followed

    @cached_property
    def _followed(self) -> tuple[Cursor, Tally]:
        return Cursor(), Tally(self.settings.objectives)

    def record(self, number: int | None = None) -> Record:
        """One trial by its number, or the best. Errors: `NasError` where there is none."""
        tally = self.tally()
        if tally.best is None:
            raise NasError(f"study '{self.name}' has no finished trial yet")
        if number is None:
            return tally.best
        scored = [trial for trial in self.stored() if trial.complete]
        if number not in (numbers := [trial.number for trial in scored]):
            raise NasError(
                f"trial {number} of study '{self.name}' is none of its scored trials, "
                f"{min(numbers)} to {max(numbers)}"
            )
        return self.record_of(scored[numbers.index(number)])

    def folder(self, kind: str) -> Path:
        """The folder of the study's files of a kind: beside its journal, or in ./studies where it
        has none. It is the study's alone, also where another of the same name was there before."""
        storage = self.storage
        beside = Path(STUDIES_FOLDER) if storage.url else storage.folder
        return beside / f"{file_name(self.name)}.{kind}" / self.identity[:12]

    def trials_dataframe(self) -> pd.DataFrame:
        """Every finished trial as a row, failed ones included, named as Optuna names columns: its
        score, its costs, when it ran, and the value of each option as `params_OPTION`."""
        return trials_dataframe(self.stored(), self.options)

    def plot_pareto(self, objective: str | None = None) -> Picture:
        """The Pareto front, beside all that was scored and the random networks that the study began
        with, over its first objective or another of its own. Errors: `NasError`."""
        names = self.settings.objectives
        if objective not in (None, *names):
            raise one_of("objective of the study", objective, names)
        return Picture(self.pareto_chart(objective or names[0]))

    def pareto_chart(self, objective: str) -> XY:
        """What `plot_pareto` draws."""
        place = 1 + self.settings.objectives.index(objective)
        random = [(t.values[0], t.values[place]) for t in self.reference_trials]
        return pareto_chart(self.records(), self.pareto(), objective, random=random)

    def __repr__(self) -> str:
        s = self.settings
        budgets = ", ".join(s.budgets) or "no budget"
        where = f"space {s.space.get('name')}, target {s.target}, {budgets}"
        return f"<Study {self.name!r} in {self.storage}: {where}>"

    def _repr_html_(self) -> Html:
        tally = self.tally()
        best = f"best: trial {tally.best.trial}, {facts_text(tally.best)}" if tally.best else ""
        return tag(
            "div",
            tag("b", self.name),
            tag("p", repr(self).strip("<>").split(": ", 1)[1], f"; {tally.trials} trials"),
            tag("p", best),
            self.plot_pareto()._repr_html_() if tally.best else None,
        )

    def network(self, record: Record) -> Architecture:
        """A trial's network, under the name of study and trial."""
        return record.arch.renamed(f"{self.name}-{record.trial}")

    def pareto(self) -> list[Record]:
        """The trials that none beats in score and objectives, best score first."""
        return pareto(self.tally().front, self.settings.objectives)
