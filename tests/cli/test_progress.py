"""The live display of a search."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from nas.architecture import Architecture
from nas.blocks import Block
from nas.cli.progress import _Log
from nas.study import Record, SearchProgress
from nas.study.bar import search_bar

ARCH = Architecture(32, (), (), (Block("gap"),))
BEST = Record(7, -0.538, 14_700_000, 970_000, 290_000, 1.76, (1.48, 2.08), 32, {}, lambda: ARCH)


def progress(*, trials: int = 58, seconds_left: float | None = 58.0) -> SearchProgress:
    return SearchProgress("search", trials, 300, trials, 2, BEST, 15, 4.2, seconds_left)


def test_a_terminal_of_80_columns_shows_every_fact_whole() -> None:
    console = Console(width=80, file=io.StringIO(), color_system=None, force_terminal=True)
    with console.capture() as capture, search_bar(console) as report:
        report(progress())
    shown = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", capture.get())
    *text, bar = shown.strip().splitlines()
    assert bar.startswith("━")
    assert " ".join(line.strip() for line in text) == (
        "search 58/300 | feasible 58 | failed 2 | best score -0.538 (14.7 MMACs, 1.76 ms) | "
        "Pareto 15 | 4.2 candidates/s | 0:58 left"
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (90061, "25:01:01")],
)
def test_time_left(seconds: float, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    _Log()(progress(trials=300, seconds_left=seconds))
    assert capsys.readouterr().err.endswith(f" | {shown} left\n")


def test_a_goal_that_another_driver_passed_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    _Log()(progress(trials=301, seconds_left=None))
    assert capsys.readouterr().err.startswith("search 301/300 | feasible 301 | ")
