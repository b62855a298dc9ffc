"""The live display of a search: a moving one on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from nas.budget import format_measure

if TYPE_CHECKING:
    from nas.study import Progress, Study
    from nas.study.driver import Report

LOG_EVERY_SECONDS = 10.0


@contextmanager
def progress_display(study: Study) -> Iterator[Report]:
    """A callback that shows how far the study is, on standard error."""
    console = Console(stderr=True)
    budgets = ", ".join(study.settings.budgets) or "no budget"
    console.print(
        f"study [bold]{study.name}[/bold]: space {study.space.name}, target {study.target.name} "
        f"({study.target.metadata.provenance}), {budgets}, sampler {study.settings.sampler}",
        highlight=False,
        soft_wrap=True,
    )
    if not console.is_terminal:
        yield _Log()
        return
    with Live(console=console, transient=True, refresh_per_second=5) as live:
        yield lambda progress: live.update(_panel(progress))


class _Log:
    """A line every ten seconds, and one at the end."""

    def __init__(self) -> None:
        self._printed = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        done = progress.phase == "search" and progress.trials == progress.goal
        if done or time.monotonic() - self._printed >= LOG_EVERY_SECONDS:
            self._printed = time.monotonic()
            text = f"{progress.phase} {progress.trials}/{progress.goal} | {_facts(progress)}"
            print(text, file=sys.stderr, flush=True)


def _panel(progress: Progress) -> Group:
    head = Text(f"{progress.phase}  {progress.trials}/{progress.goal}")
    bar = ProgressBar(total=progress.goal, completed=progress.trials, width=60)
    return Group(head, bar, Text(_facts(progress)))


def _facts(progress: Progress) -> str:
    facts = [f"feasible {progress.feasible}"]
    if progress.failed:
        facts.append(f"failed {progress.failed}")
    if progress.best:
        best = progress.best
        facts.append(
            f"best score {best.score:.3f} ({format_measure('macs', best.macs)}, "
            f"{format_measure('latency_ms', best.latency_ms)})"
        )
        facts.append(f"Pareto {progress.front}")
    facts.append(f"{progress.per_second:.1f} candidates/s")
    if progress.seconds_left is not None:
        minutes, seconds = divmod(round(progress.seconds_left), 60)
        facts.append(f"{minutes}:{seconds:02d} left")
    return " | ".join(facts)
