"""How far a search is, as a bar that moves in a terminal or a notebook, where somebody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar

from nas.measures import format_measure
from nas.study.progress import SearchProgress, SearchReport
from nas.study.record import Record
from nas.support.text import printable

EVERY_SECONDS = 0.5  # of a line in a notebook


@contextmanager
def shown_progress() -> Iterator[SearchReport]:
    """A callback that shows how far a search is on standard error, if a person is there to see."""
    out = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if out.is_jupyter:
        yield from _line()
    elif out.is_terminal:
        with search_bar(out) as report:
            yield report
    else:
        yield lambda progress: None


@contextmanager
def search_bar(console: Console) -> Iterator[SearchReport]:
    """A callback that shows how far a search is on a terminal."""
    with Live(console=console, transient=True, refresh_per_second=5) as live:
        yield lambda progress: live.update(_panel(progress))


def _line() -> Iterator[SearchReport]:
    """The same as a line that is written over: rich's bar would want widgets in a notebook."""
    written = 0.0

    def report(progress: SearchProgress) -> None:
        nonlocal written
        if time.monotonic() - written >= EVERY_SECONDS or progress.trials >= progress.goal:
            written = time.monotonic()
            print(
                f"\r{printable(search_facts(progress))}\x1b[K", end="", file=sys.stderr, flush=True
            )

    yield report
    print(file=sys.stderr)


def _panel(progress: SearchProgress) -> Group:
    bar = ProgressBar(total=progress.goal, completed=progress.trials, width=60)
    return Group(printable(search_facts(progress)), bar)  # a bar ends no line, so it comes last


def search_facts(progress: SearchProgress) -> str:
    """The state of a search on one line."""
    facts = [f"{progress.phase} {progress.trials}/{progress.goal}", f"feasible {progress.feasible}"]
    if progress.failed:
        facts.append(f"failed {progress.failed}")
    if progress.best:
        best = progress.best
        facts.append(
            f"best {_scored(best)} ({format_measure('macs', best.macs)}, "
            f"{format_measure('latency_ms', best.latency_ms)})"
        )
        facts.append(f"Pareto {progress.front}")
    facts.append(f"{progress.per_second:.1f} candidates/s")
    facts += time_left(progress.seconds_left)
    return " | ".join(facts)


def _scored(best: Record) -> str:
    if best.accuracy_interval is None:
        return f"score {best.score:.3f}"
    return f"predicted accuracy {best.score:.1f}%"


def time_left(seconds: float | None) -> list[str]:
    """The time that is left, where it is known."""
    if seconds is None:
        return []
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return [f"{hours}:{minutes:02d}:{rest:02d} left" if hours else f"{minutes}:{rest:02d} left"]
