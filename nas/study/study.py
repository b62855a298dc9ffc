"""`Study`: a stored search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial

from nas import plugins
from nas.architecture import Architecture
from nas.budget import Budget, parse_budgets
from nas.charts import XY
from nas.charts.picture import Picture
from nas.latency import Target
from nas.latency.kept import keep, restored
from nas.latency.target import shipped_checksum, shipped_target
from nas.measures import OBJECTIVES
from nas.proxies.combine import Combiner
from nas.study.candidates import Candidate, Candidates
from nas.study.objectives import directions, titles
from nas.study.pruning import candidates_of, inheritance_of
from nas.study.reference import ReferenceSample
from nas.study.scoring import Combined, Inherited, Outcome, Predicted, Scorer, predicted
from nas.study.settings import StudySettings
from nas.study.shown import facts_text, pareto_chart, trials_dataframe
from nas.study.storage.storage import Storage, locate
from nas.study.stored import DAMAGE
from nas.study.trials import IDENTITY, OPTIONS, SETTINGS, TARGET, StudyTrials
from nas.support.errors import NasError, one_of
from nas.support.html import Html, tag

if TYPE_CHECKING:
    import pandas as pd

    from nas.study.samplers.cascade import Screen


class Study(StudyTrials):
    """A stored search: what it begins with, what its candidates cost, and what scores them."""

    moved: str | None = None  # where its data are, if no longer where they were

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
    def load(cls, name: str | Path, storage: str | Path | None = None) -> Study:
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
                f"nas resume {self.storage.named(self.name)} --repredict predicts them anew"
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

    def facts(
        self, candidate: Candidate, values: list[float] | None, noted: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What is stored of a trial, with what is `noted` of its evaluation; its network once: as
        what the assignment decodes to, or whole where it is beside the space."""
        latency, cost = candidate.latency, candidate.cost
        return {
            "hash": candidate.arch.hash,
            "assignment": self.indices(candidate.assignment),
            **({"architecture": candidate.arch.to_dict()} if candidate.beside else {}),
            "resolution": candidate.arch.resolution,
            "macs": cost.macs,
            "params": cost.params,
            "peak_bytes": int(candidate.value("peak_bytes")),
            "latency_ms": latency.ms,
            "latency_interval_ms": [latency.low_ms, latency.high_ms],
            **(candidate.memory._asdict() if candidate.memory else {}),
            "values": values,
            **noted,
        }

    @property
    def warm_start(self) -> list[tuple[dict[str, Any], str | None]]:
        """The assignments to begin with, before any sampler is asked, within budget; with the
        names of those that are hand-scaled."""
        own = [(assignment, None) for assignment in self.settings.start_from]
        families = self.settings.families.items()
        return [*own, *((assignment, name) for name, assignment in families)]

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
        except NasError:  # such as a block that no plugin has registered: nothing is damaged
            raise
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
