"""Running a study to its end, and what is said then: for `nas search`, `resume` and `prune`."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import typer

from nas.cli.studies import study_facts
from nas.cli.terminal import echo, echo_json, say
from nas.support.text import masked

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from nas.study import Study
    from nas.study.workers.executors import Slots


def run_study(
    study: Study,
    goal: int | None,
    executor: Executor,
    slots: Slots,
    more: int = 0,
    data: str | None = None,
) -> str:
    """Runs the study until it has so many trials, or so many more; says why it ended."""
    from nas.cli.progress import log_learning, progress_display
    from nas.study import learning
    from nas.study.registered import check_registered

    check_registered(study.settings, f"study '{study.name}'")  # before anything is said
    if notice := getattr(executor, "notice", None):
        echo(notice, err=True)
    try:
        with progress_display(study) as report:
            ended = learning.run(
                study, goal, executor, slots, report, log_learning, data, more=more
            )
    except KeyboardInterrupt:  # between two searches: they themselves finish what is running
        return "interrupted"
    if goal is not None and ended.before >= goal:
        how = f"nas resume {study.storage.named(study.name)} --trials N"
        say(f"study '{study.name}' has its {ended.before} trials; add more: {how}")
    return ended.how


def worker_options(workers: int, scheduler: str | None) -> str:
    """The options, as they are written, that say where candidates are scored."""
    chosen = f" --workers {workers}" if workers > 1 else ""
    return chosen + (f" --scheduler {quote(scheduler)}" if scheduler else "")


def conclude(
    study: Study, ended: str, workers: str, data: str | None = None, *, as_json: bool = False
) -> None:
    """Shows the best networks, trains the finalists and says how to go on, with which `workers`.

    `data` is where the study's data are now, if that is elsewhere. As JSON it is what `nas show
    --json` prints, how it ended, and for a study that prunes the folder that its best child is
    written to.
    """
    if as_json:
        if study.tally().scored and ended != "interrupted" and study.settings.finalists:
            ended = _train_finalists(study, ended, data, as_json)
        facts = {**study_facts(study), "ended": ended}
        if study.settings.pruning is not None:
            from nas.study.pruned import write_best

            written = write_best(study)
            facts["output"] = None if written is None else str(written)
        echo_json(facts)
        _check_end(study, ended)
        return
    from nas.cli.tables import print_best, print_finalists, print_output
    from nas.report.words import anew
    from nas.study.config import config_path

    tally = study.tally()
    scored = tally.scored
    if scored:
        print_best(study)
    if failed := tally.failures.told("trials"):
        echo(failed)
    if ended == "interrupted":
        echo(f"interrupted: all {tally.trials} finished trials are kept")
    elif ended == "exhausted":
        echo("every proposal was a network seen before: the space seems to be exhausted")
    if scored and ended != "interrupted" and study.settings.finalists:
        ended = _train_finalists(study, ended, data)
        print_finalists(study)
    where = _named(study)
    if study.settings.pruning:
        print_output(study)
    elif scored:
        echo(f"export the best:  nas export {where} --output best.onnx")
    if ended != "exhausted":
        more = "" if ended == "interrupted" else f" --trials {study.settings.trials}"
        moved = f" --data {quote(data)}" if data else ""
        echo(f"go on searching:  nas resume {where}{more}{workers}{moved}")
    config = config_path(study)
    if config and config.exists():
        echo(f"begin it anew:    {anew(study, str(config))}")
    _check_end(study, ended)


def _check_end(study: Study, ended: str) -> None:
    """Exits with 130 where it was interrupted. Errors: `NasError` where no finalist of those that
    were asked for could be trained."""
    from nas.study.finalists import failed_finalists, read_finalists
    from nas.support.errors import NasError

    if ended == "interrupted":
        raise typer.Exit(130)
    if not study.settings.finalists or read_finalists(study):
        return
    if failed := failed_finalists(study):
        raise NasError(f"no finalist could be trained: {failed[0][1]}")


def _named(study: Study) -> str:
    """The study as commands name it, after a word on a password that is not shown."""
    from nas.report.words import named

    where, location = named(study), study.storage.location
    if "--storage" in where and masked(location) != location:
        echo("the storage's password is not shown; NAS_STORAGE can hold its URL instead")
    return where


def _train_finalists(study: Study, ended: str, data: str | None, as_json: bool = False) -> str:
    """Trains the finalists; says how it ended, which is `ended` unless it was interrupted."""
    from nas.cli.progress import finalists_display
    from nas.study.finalists import run_finalists

    try:
        with finalists_display(study) as report:
            run_finalists(study, report, data)
    except KeyboardInterrupt:
        echo("interrupted: every finished epoch of the finalists is kept", err=as_json)
        return "interrupted"
    return ended
