"""The live display of a search: a moving one on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar

from nas.cli.console import console
from nas.cli.terminal import clean, say
from nas.study.bar import search_bar, search_facts, time_left

if TYPE_CHECKING:
    from nas.study import Record, SearchProgress, Study
    from nas.study.finalists import FinalistReport
    from nas.study.learning import LearningProgress
    from nas.study.progress import SearchReport
    from nas.training import TrainingProgress
    from nas.training.progress import TrainingReport

LOG_EVERY_SECONDS = 10.0


@contextmanager
def progress_display(study: Study) -> Iterator[SearchReport]:
    """A callback that shows how far the study is, on standard error."""
    out = console(stderr=True)
    budgets = ", ".join(study.settings.budgets) or "no budget"
    say(
        f"study {study.name}: space {study.space.name}, target {study.target.name} "
        f"({study.target.metadata.provenance}), {budgets}, sampler {study.settings.sampler}"
    )
    if not out.is_terminal:
        yield _Log()
        return
    with search_bar(out) as report:
        yield report


class _Log:
    """A line every ten seconds, and one at the end."""

    def __init__(self) -> None:
        self._printed = time.monotonic()

    def __call__(self, progress: SearchProgress) -> None:
        # Several drivers of a study may pass its goal.
        done = progress.phase == "search" and progress.trials >= progress.goal
        if done or time.monotonic() - self._printed >= LOG_EVERY_SECONDS:
            self._printed = time.monotonic()
            say(search_facts(progress))


def log_learning(progress: LearningProgress) -> None:
    """Says on standard error how far the trainings of a round are."""
    done = f"{progress.done}/{progress.networks} networks trained {progress.stage}"
    failed = f", of which {progress.failed} could not be" if progress.failed else ""
    say(f"round {progress.round} of training: {done}{failed}")


@contextmanager
def finalists_display(study: Study) -> Iterator[FinalistReport]:
    """A callback that shows which finalist is trained, and how far it is."""
    with training_display("finalists", lambda: f"finalist {current[0]}/{current[1]} | ") as inner:
        current = (0, study.settings.finalists)

        def report(record: Record, number: int, count: int, progress: TrainingProgress) -> None:
            nonlocal current
            current = (number, count)
            inner(progress)

        yield report


@contextmanager
def training_display(title: str = "", prefix: Callable[[], str] = str) -> Iterator[TrainingReport]:
    """A callback that shows how far a training is, on standard error."""
    out = console(stderr=True)
    if title:
        say(title)
    if not out.is_terminal:
        yield _training_log(prefix)
        return

    def panel(progress: TrainingProgress) -> Group:
        bar = ProgressBar(total=progress.steps, completed=progress.step, width=60)
        return Group(clean(prefix() + training_facts(progress)), bar)

    with Live(console=out, transient=True, refresh_per_second=5) as live:
        yield lambda progress: live.update(panel(progress))


def _training_log(prefix: Callable[[], str]) -> TrainingReport:
    """A line every ten seconds, and one at the end."""
    printed = time.monotonic()

    def log(progress: TrainingProgress) -> None:
        nonlocal printed
        if progress.step == progress.steps or time.monotonic() - printed >= LOG_EVERY_SECONDS:
            printed = time.monotonic()
            say(prefix() + training_facts(progress))

    return log


def training_facts(progress: TrainingProgress) -> str:
    """One line: the running epoch on the training images, the last one on those of validation."""
    facts = [
        f"epoch {progress.epoch}/{progress.epochs}",
        f"step {progress.step}/{progress.steps}",
        f"training loss {progress.loss:.3f}, accuracy {progress.accuracy:.1%}",
    ]
    if progress.last:
        facts.append(f"validation accuracy {progress.last.validation_accuracy:.1%}")
    return " | ".join([*facts, *time_left(progress.seconds_left)])
