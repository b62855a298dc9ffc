"""The report of a study: its Pareto front, and the networks on it row by row."""

from __future__ import annotations

from collections.abc import Sequence

from nas.latency import Target
from nas.measures import MEASURES, OF_TARGET, format_measure
from nas.report.network import BARS, Drawn, latency_chart, network_html
from nas.report.page import folded, note, plot, scroll, section
from nas.report.reported import Reported, button
from nas.space import SearchSpace
from nas.study.record import Record
from nas.support.html import Child, Html, table, tag
from nas.support.text import between, significant

MOST_DRAWN = 40  # networks that can be looked at row by row
MOST_ROWS = 12  # of the front that are shown at once


def pareto(of: Reported) -> Html:
    """The section of the Pareto front, as charts and as a table."""
    study = of.study
    charts = of.or_note(lambda: [study.pareto_chart(name) for name in study.settings.objectives])
    if isinstance(charts, Html):
        return section("Pareto front", charts, _table(of, of.front))
    drawings = [[tag("h3", of.kept(chart).title), plot(chart)] for chart in charts]
    shown, rest = of.front[:MOST_ROWS], of.front[MOST_ROWS:]
    return section(
        "Pareto front",
        note("choose a point or a trial to see its network below"),
        drawings,
        _table(of, shown),
        folded(f"{len(rest)} more", _table(of, rest)) if rest else None,
    )


def _table(of: Reported, records: Sequence[Record]) -> Html:
    memory = [measure for measure in OF_TARGET if any(measure in r.memory for r in of.front)]
    names = ["trial", of.study.score_name, "latency ms", "MMACs", "Mparams"]
    names += [f"{MEASURES[measure].title} KiB" for measure in memory]
    heads: list[Child] = [*names, *(tag("span", n, class_="minor") for n in ("peak MB", "px"))]
    if of.measured:
        heads.insert(2, "measured")
    rows = []
    for r in records:
        bounds = r.accuracy_interval and " ({:.1f}–{:.1f})".format(*r.accuracy_interval)
        latency = f" ({between(*r.latency_interval_ms)})" if of.known else None
        row: list[Child] = [
            button(r.trial),
            [f"{r.score:.1f}%", tag("span", bounds)] if bounds else f"{r.score:.3f}",
            [significant(r.latency_ms), tag("span", latency)],
            significant(r.macs / 1e6),
            significant(r.params / 1e6),
            *(f"{r.memory[measure] / 2**10:.0f}" for measure in memory),
            tag("span", significant(r.peak_bytes / 1e6), class_="minor"),
            tag("span", str(r.resolution), class_="minor"),
        ]
        if of.measured:
            known = of.measured.get(r.trial)
            row.insert(2, "" if known is None else f"{known:.2f}%")
        rows.append(row)
    return scroll(table(heads, rows, caption="Networks of the Pareto front"), "Pareto front")


def network(of: Reported) -> Html:
    """The section of the network that is chosen, which is the best one before another is."""
    target = of.target
    if target is None:
        return section("The best network", note(of.source))
    step = -(-len(of.front) // MOST_DRAWN)
    some = {r.trial: r for r in (of.best, *of.front[::step])}
    templates = [
        tag("template", _drawn(of, record, target), id=f"net-{trial}")
        for trial, record in some.items()
    ]
    of.kept(latency_chart(Drawn.of(of.best.arch, target)))
    return section(
        "The network, row by row",
        tag("div", _drawn(of, of.best, target), id="chosen", aria_live="polite"),
        templates,
    )


def _drawn(of: Reported, record: Record, target: Target) -> Html:
    space = of.study.space
    drawn = Drawn.of(record.arch, target, space if isinstance(space, SearchSpace) else None)
    best = ", the best" if record.trial == of.best.trial else ""
    return tag(
        "div",
        tag("h3", f"Trial {record.trial}{best}"),
        tag(
            "p",
            f"{_score(record)}; {significant(record.latency_ms)} ms, "
            f"{format_measure('macs', record.macs)}, {record.resolution} px."
            + (f" {record.like[:1].upper()}{record.like[1:]}." if record.like else ""),
        ),
        note(BARS),
        network_html(drawn),
    )


def _score(record: Record) -> str:
    if record.accuracy_interval is None:
        return f"Score {record.score:.3f}, no accuracy"
    low, high = record.accuracy_interval
    return f"{record.score_name.capitalize()} {record.score:.1f}% ({low:.1f}–{high:.1f}%)"
