"""Finalists: good networks of a study that differ (see `nas.study.choosing`),
trained briefly and ranked by accuracy.

They are an Optuna study of their own, beside the search's: `STUDY.finalists/optuna.journal`, with
each network's training in a folder of its own. Successive halving prunes those that fall behind
after a third of their epochs: after a ninth, accuracy hardly tells what it will be in the end. What
was trained to learn from is gone on with, and not trained again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import optuna
from optuna.pruners import SuccessiveHalvingPruner
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.data import DataSet, load_again, load_data
from nas.study import choosing
from nas.study.optuna_private import reopened
from nas.study.pruning import fine_tuning
from nas.study.quiet import quiet
from nas.study.record import Record
from nas.study.storage.journal import journal
from nas.study.storage.locks import claim_file
from nas.study.stored import DAMAGE
from nas.study.study import Study
from nas.support.errors import NasError, one_line
from nas.support.files import inside
from nas.training.checkpoint import is_training
from nas.training.own_table import remember

if TYPE_CHECKING:
    from nas.training import TrainingProgress

NAME, HASH, REASON = "finalists", "hash", "reason"
REDUCTION = 3

# Takes the finalist's record, its number, how many there are, and how far its training is.
FinalistReport: TypeAlias = "Callable[[Record, int, int, TrainingProgress], None]"


@dataclass(frozen=True)
class Finalist:
    """A trained finalist: the validation accuracy (0 to 1) and loss of the epoch that is kept. A
    pruned one ended early, so its accuracy does not compare with that of the others."""

    record: Record
    accuracy: float
    loss: float
    epochs: int
    pruned: bool
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """The finalist as JSON types."""
        return {
            "trial": self.record.trial,
            "accuracy": self.accuracy,
            "loss": self.loss,
            "epochs": self.epochs,
            "pruned": self.pruned,
            "folder": str(self.folder),
        }


def finalists_folder(study: Study) -> Path:
    """The folder of a study's finalists."""
    return study.folder("finalists")


def read_finalists(study: Study) -> list[Finalist]:
    """The finalists trained so far: complete ones by accuracy, best first, then the pruned ones."""
    folder = finalists_folder(study)
    if not (folder / "optuna.journal").exists():
        return []
    with _damage(study):
        tried = _tried(study, (TrialState.COMPLETE, TrialState.PRUNED))
        finalists = [_finalist(record, trial, folder) for record, trial in tried]
    return sorted(finalists, key=lambda f: (f.pruned, -f.epochs * f.pruned, -f.accuracy, f.loss))


def _finalist(record: Record, trial: FrozenTrial, folder: Path) -> Finalist:
    noted = {name: trial.user_attrs[name] for name in ("accuracy", "loss", "epochs")}
    if not all(isinstance(value, int | float) for value in noted.values()):
        raise ValueError(f"trial {trial.number} has notes that are no numbers")
    pruned = trial.state == TrialState.PRUNED
    return Finalist(record, **noted, pruned=pruned, folder=_folder(folder, record.trial))


@contextmanager
def _damage(study: Study) -> Iterator[None]:
    """Errors: `NasError` where what is stored is not as it was written here."""
    try:
        yield
    except NasError:
        raise
    except (*DAMAGE, AssertionError) as error:
        raise NasError(f"finalists of study '{study.name}' are damaged: {error!r}") from None


def failed_finalists(study: Study) -> list[tuple[Record, str]]:
    """The finalists that could not be trained, each with its reason."""
    if not (finalists_folder(study) / "optuna.journal").exists():
        return []
    with _damage(study):
        tried = _tried(study, (TrialState.FAIL, TrialState.RUNNING))
        return [(r, str(t.user_attrs[REASON])) for r, t in tried if t.user_attrs.get(REASON)]


def _tried(study: Study, states: tuple[TrialState, ...]) -> Iterator[tuple[Record, FrozenTrial]]:
    """Yields the finalists in these states, as records of the search and trials of their own.

    One that is none of the study's networks is left out.
    """
    stored = _open(finalists_folder(study)).get_trials(states=states)
    keys = {trial.user_attrs[HASH]: trial for trial in stored}
    if not all(isinstance(key, str) for key in keys):
        raise ValueError("a hash that is no text")
    for trial in study.stored():
        if trial.complete and (key := trial.facts.get("hash")) in keys:
            yield study.record_of(trial), keys[key]


def study_data(study: Study, source: str | None = None) -> DataSet:
    """The data set of a study, at its `source` of now. Errors: `NasError` where it is another."""
    settings = study.settings
    if settings.data is None:
        raise NasError(f"study '{study.name}' has no data set: begin one with --data")
    if settings.data_checksum is None:
        return load_data(source or settings.data, 0, settings.data_options)
    checksum = settings.data_checksum
    return load_again(settings.data, 0, settings.data_options, checksum, source)


def run_finalists(
    study: Study,
    report: FinalistReport = lambda record, number, count, progress: None,
    source: str | None = None,
) -> list[Finalist]:
    """Trains the `settings.finalists` that `nas.study.choosing` picks and are not trained yet.

    May be stopped at any moment: a network goes on after its last finished epoch, and all of them
    end as they would have. One that cannot be trained is noted, with its reason, as failed. Where
    another process is at them it is waited for. `source` is where the data are now, if that is
    elsewhere. Errors: `NasError`, also where they have changed.
    """
    settings = study.settings
    choose = choosing.finalists if settings.pruning is None else choosing.children
    front = choose(study.records(), settings.objectives, settings.finalists)
    if settings.data is None or not front:
        return []
    data = study_data(study, source)
    folder = finalists_folder(study)
    folder.mkdir(parents=True, exist_ok=True)
    # The study is claimed too: it is neither removed nor renamed while this writes to its folder.
    driven = study.storage.driven(study.name)
    with driven, claim_file(folder, NAME) as claim, claim.exclusive():
        _train_all(study, front, data, folder, report)
    finalists = read_finalists(study)
    complete = [(study.network(f.record), 100 * f.accuracy) for f in finalists if not f.pruned]
    if settings.pruning is None:  # predictions are of networks that are trained from nothing
        remember(data, settings.recipe, complete)
    return finalists


def _train_all(
    study: Study, front: Sequence[Record], data: DataSet, folder: Path, report: FinalistReport
) -> None:
    with _damage(study):
        trained = _open(folder, study.settings.recipe.epochs)
        trained.get_trials(deepcopy=False)
    if trained.user_attrs.get("data", data.checksum) != data.checksum:
        raise NasError(f"data set {data.source} has changed since its finalists were trained")
    trained.set_user_attr("data", data.checksum)
    for number, record in enumerate(front, 1):
        known = [t for t in trained.trials if t.user_attrs.get(HASH) == record.hash]
        if any(t.state.is_finished() for t in known):
            continue
        trial = _going_on(trained, known, record)

        def tell(progress: TrainingProgress, record: Record = record, number: int = number) -> None:
            report(record, number, len(front), progress)

        _train(trained, trial, study, record, data, folder, tell)


def _going_on(trained: optuna.Study, known: list[FrozenTrial], record: Record) -> Trial:
    """The network's trial that was running when the process ended, or a new one."""
    if known:
        trial = reopened(trained, known[0])
        trial.set_user_attr(REASON, None)
        return trial
    trial = trained.ask()
    trial.set_user_attr(HASH, record.hash)
    return trial


def _train(
    trained: optuna.Study,
    trial: Trial,
    study: Study,
    record: Record,
    data: DataSet,
    folder: Path,
    tell: Callable[[TrainingProgress], None],
) -> None:
    from nas.training import train
    from nas.training.checks import Untrainable

    def progress(now: TrainingProgress) -> None:
        tell(now)
        last = now.last
        if last is None or now.step != last.epoch * (now.steps // now.epochs):
            return
        stored = trained.trials[trial.number].intermediate_values
        _note(trial, last.validation_accuracy, last.validation_loss, last.epoch)
        if last.epoch not in stored:
            trial.report(last.validation_accuracy, last.epoch)
        if last.epoch < now.epochs and trial.should_prune():
            raise optuna.TrialPruned

    recipe, output = study.settings.recipe, _folder(folder, record.trial)
    teacher, start = fine_tuning(study.settings, record.arch, data)
    take_over(study.folder("learning") / output.name, output)
    try:
        done = train(
            record.arch,
            data,
            recipe,
            output=output,
            teacher=teacher,
            start=start,
            progress=progress,
        )
    except optuna.TrialPruned:
        trained.tell(trial, state=TrialState.PRUNED)
        return
    except (Untrainable, RuntimeError, MemoryError) as error:  # the others go on
        trial.set_user_attr(REASON, one_line(error))
        if isinstance(error, Untrainable):  # others may be this machine's: the next run tries again
            trained.tell(trial, state=TrialState.FAIL)
        return
    # A process killed between the last epoch and this point left these to be said now, and so did
    # a training that was over before.
    stored = trained.trials[trial.number].intermediate_values
    for epoch in done.history:
        if epoch.epoch not in stored:
            trial.report(epoch.validation_accuracy, epoch.epoch)
            trial.should_prune()  # by which the others are compared with it
    _note(trial, done.accuracy, done.loss, len(done.history))
    trained.tell(trial, done.accuracy)


def take_over(there: Path, output: Path) -> None:
    """Begins a training as a copy of another one, where that is there and the training is not."""
    part = output.with_name(f".{output.name}.part")
    if not is_training(there) or output.exists():
        return
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(there, part)
    part.rename(output)


def _note(trial: Trial, accuracy: float, loss: float, epochs: int) -> None:
    for name, value in (("accuracy", accuracy), ("loss", loss), ("epochs", epochs)):
        trial.set_user_attr(name, value)


def _folder(folder: Path, trial: int) -> Path:
    return inside(folder, f"trial-{trial}", f"finalists {folder}")


def _open(folder: Path, epochs: int = 1) -> optuna.Study:
    """The study of finalists' trainings; halving looks once, after a third of the `epochs`."""
    first = ceil(epochs / REDUCTION)
    with quiet():
        return optuna.create_study(
            study_name=NAME,
            storage=journal(folder / "optuna.journal"),
            load_if_exists=True,
            direction="maximize",
            pruner=SuccessiveHalvingPruner(first, reduction_factor=REDUCTION),
        )
