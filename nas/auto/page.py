"""The report of a result: what was delivered, before the search that found it."""

from __future__ import annotations

from pathlib import Path

from nas.auto.card import (
    COLUMNS,
    accuracy_line,
    compared_rows,
    name_of,
    order,
    predicted_line,
    remarks,
    timed_line,
    verdict,
)
from nas.auto.measured import Measured
from nas.auto.result import Result
from nas.costs import cost
from nas.data import DataSet
from nas.measures import format_measure
from nas.report.network import BARS, Drawn, network_html
from nas.report.page import facts, note, plots, scroll, section
from nas.report.training import curves_charts
from nas.report.training_page import outcome_parts
from nas.report.words import known_interval
from nas.resolution import in_words
from nas.study.scoring import share_interval
from nas.support.html import Child, table, tag
from nas.support.text import significant


def report_title(result: Result, data: DataSet) -> str:
    """What the page is about."""
    return f"A network for {Path(data.source).name} on {result.target.name}"


def report_lead(result: Result, data: DataSet, measured: Measured | None = None) -> Child:
    """What was asked for and what was delivered, which need not be the search's best."""
    trained, target = result.trained, result.target
    costs, predicted = cost(trained.arch), target.predict(trained.arch)
    interval = known_interval(predicted.low_ms, predicted.high_ms, target.interval_known)
    cells = [
        _accuracy(result, data),
        (f"latency on {target.name}", f"{significant(predicted.ms)} ms", f"predicted, {interval}"),
        ("multiply-adds", format_measure("macs", costs.macs), ""),
        ("parameters", format_measure("params", costs.params), ""),
        ("input", f"{in_words(trained.arch.resolution)} px", ""),
    ]
    if measured is not None:
        found = measured.comparison
        timed = f"{measured.noise}, on {measured.device}"
        cells.insert(2, ("measured latency", f"{significant(found.measured_ms)} ms", timed))
    count, budgets = len(result.compared), " and ".join(result.asked.budgets) or "no budget"
    asked = f"a network for {Path(data.source).name} on {target.name}, within {budgets}"
    others = f", the first of {count} that were trained alike" if count > 1 else ""
    return [
        tag("p", f"Asked: {asked}."),
        tag("p", f"The result is {name_of(result.winner)}{others}, {_training(result)}:"),
        facts(cells),
    ]


def _training(result: Result) -> str:
    epochs = len(result.trained.history)
    return f"{'trained further' if result.further else 'after that training'}, {epochs} epochs"


def _accuracy(result: Result, data: DataSet) -> tuple[str, str, str]:
    """The accuracy of the delivered weights, on images that nothing was chosen by if there are."""
    tested = result.trained.test, data.test
    if tested[0] is None or tested[1] is None:
        count = len(data.validation.labels)
        said = f"of {count} images by which it was chosen"
        return "validation accuracy", f"{result.trained.accuracy:.1%}", said
    accuracy, count = tested[0].accuracy, len(tested[1].labels)
    low, high = share_interval(accuracy, count)
    said = f"of {count} images, 90% interval {low:.1%}–{high:.1%}"
    return "test accuracy", f"{accuracy:.1%}", said


def report_sections(result: Result, data: DataSet, measured: Measured | None = None) -> list[Child]:
    """What the report says before it comes to the search: the result and what it gets wrong."""
    made, _ = outcome_parts(result.trained, data)
    charts = curves_charts({"": result.trained.history})
    alike = f"trained alike and briefly; {order(result)}"
    timed = timed_line(measured, result.target)
    return [
        section(
            "The result",
            tag("p", f"Accuracy: {accuracy_line(result, data)}."),
            tag("p", f"Latency: {predicted_line(result)}; measured: {timed}."),
            scroll(table(COLUMNS, compared_rows(result)), alike),
            note(alike),
            [note(line) for line in remarks(result, data)],
            note(verdict(result)),
            [note(f"cut for time: {line}") for line in result.cut],
        ),
        section(
            "The result, row by row",
            note(BARS),
            network_html(Drawn.of(result.trained.arch, result.target)),
        ),
        section("Training of the winner", plots(charts)),
        section("What it gets wrong", made),
    ]
