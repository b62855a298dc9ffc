"""`StudyTrials`: the trials of a stored study, read as a stream."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from nas.architecture import Architecture
from nas.defaults import STUDIES_FOLDER
from nas.pruning.space import PruningSpace
from nas.space import SearchSpace
from nas.space.options import OptionSpace
from nas.study.objectives import pareto
from nas.study.predictions import Predictions
from nas.study.progress import Tally
from nas.study.record import Record, record_of
from nas.study.settings import read_settings
from nas.study.storage.log import Cursor
from nas.study.storage.storage import Storage
from nas.study.stored import DAMAGE, OptionTable, Stored, damaged
from nas.support.errors import NasError, check_whole
from nas.support.files import file_name

SETTINGS, OPTIONS, IDENTITY = "nas:settings", "nas:options", "nas:identity"
TARGET = "nas:target"
# What spaces that were stored before these settings did without.
UNBOUND = {"narrowest": 1, "narrowest_share": 0.0}


class StudyTrials:
    """A study as it is stored: its settings, its space, and its trials, read from its `log`."""

    def __init__(self, storage: Storage, name: str) -> None:
        self.storage, self.name = storage, name
        self.log = storage.log(name)
        with storage.explained_reading(name):
            text = self.log.attributes().get(SETTINGS)
        if not isinstance(text, str):
            raise NasError(f"study '{self.name}' in {storage} was not made by nas")
        self.settings = read_settings(text, f"study '{self.name}'")

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
            # That of a network beside the space, or of any by an older hw-nas.
            if (whole := trial.facts.get("architecture")) is not None:
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
            why = tally.failures.told("trials")
            why = f"no scored trial: {why}" if why else "no finished trial yet"
            raise NasError(f"study '{self.name}' has {why}")
        if number is None:
            return tally.best
        check_whole(number, "a trial", 0)
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

    def network(self, record: Record) -> Architecture:
        """A trial's network, under the name of study and trial."""
        return record.arch.renamed(f"{self.name}-{record.trial}")

    def pareto(self) -> list[Record]:
        """The trials that none beats in score and objectives, best score first."""
        return pareto(self.tally().front, self.settings.objectives)
