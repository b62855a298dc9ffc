"""What a study's report is of, which its sections share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nas.charts import Chart
from nas.report import measures
from nas.report.page import note
from nas.report.words import study_target
from nas.study.finalists import Finalist, read_finalists
from nas.study.study import Study
from nas.support.errors import NasError
from nas.support.html import Html, tag

T = TypeVar("T")


class Reported:
    """A study with what there is to be said of it, and the charts of the report so far."""

    def __init__(self, study: Study, moved: str | None) -> None:
        self.study, self.moved = study, moved
        self.best, self.tally = study.record(), study.tally()
        self.front = study.pareto()
        self.target, self.source = study_target(study)
        self.known = self.target is None or self.target.interval_known
        self.finalists = read_finalists(study)
        self.measured = measures.measured_accuracies(study, self.finalists)
        self.charts: list[Chart] = []

    def kept(self, chart: Chart) -> Chart:
        """The chart, kept with the others."""
        self.charts.append(chart)
        return chart

    @property
    def done(self) -> list[Finalist]:
        """The finalists that were trained to the end, the best first."""
        return [f for f in self.finalists if not f.pruned]

    def or_note(self, make: Callable[[], T]) -> T | Html:
        """What is made, or why it cannot be."""
        try:
            return make()
        except NasError as error:
            return note(f"not shown: {error}")


def button(trial: int) -> Html:
    """What shows a trial's network when it is pressed."""
    return tag("button", str(trial), type="button", data_key=str(trial))
