"""The report of a comparison of searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.charts import XY, Chart, Series
from nas.charts.figure import draw_on
from nas.report.page import note, page, plot, scroll, section
from nas.study.compare import MEASURES, Curve, by_sampler
from nas.support.html import table, tag
from nas.support.text import significant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = dict(zip(MEASURES, ("best score", "hypervolume"), strict=True))
MOST_POINTS = 400


def curve_charts(all_curves: Sequence[Curve], *, seconds: bool = True) -> list[XY]:
    """Medians over seeds, with the range from the 10th to the 90th percentile, of best score and
    hypervolume against trials and `seconds`."""
    charts = []
    for measure in MEASURES:
        for over in ("trials", "seconds") if seconds else ("trials",):
            series = [
                _band(name, group, measure, over) for name, group in by_sampler(all_curves).items()
            ]
            title = f"{LABELS[measure].capitalize()} over {over}"
            charts.append(XY(f"{measure}-{over}", title, over, LABELS[measure], series))
    return charts


def compare_figure(all_curves: Sequence[Curve], *, seconds: bool = True) -> Figure:
    """The charts of `curve_charts` as one figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9 if seconds else 5, 6), layout="constrained")
    axes = figure.subplots(2, 2 if seconds else 1, squeeze=False)
    for each, chart in zip(axes.flat, curve_charts(all_curves, seconds=seconds), strict=True):
        draw_on(each, chart)
    return figure


def _band(name: str, group: Sequence[Curve], measure: str, over: str) -> Series:
    count = min(len(c.best) for c in group)
    if over == "trials":
        x = np.unique(np.linspace(1, count, MOST_POINTS).round().astype(int))
        values = np.array([getattr(c, measure)[x - 1] for c in group])
    else:
        first, last = max(c.seconds[0] for c in group), min(c.seconds[-1] for c in group)
        x = np.linspace(first, max(first, last), MOST_POINTS // 2)
        done = [np.searchsorted(c.seconds, x, side="right") - 1 for c in group]
        values = np.array([getattr(c, measure)[i] for c, i in zip(group, done, strict=True)])
    known = ~np.isnan(values).any(axis=0)  # before each has a score there is no median of them
    low, median, high = np.quantile(values[:, known], (0.1, 0.5, 0.9), axis=0)
    return Series(name, x[known].tolist(), median.tolist(), low=low.tolist(), high=high.tolist())


def compare_report(
    summary: Mapping[str, Any], all_curves: Sequence[Curve], scores: str
) -> tuple[str, list[Chart]]:
    """The page of a comparison, of which `summary` has the numbers, and its charts; `scores` says
    what is compared."""
    charts = curve_charts(all_curves)
    rows = []
    for one in summary["samplers"]:
        cells = [
            f"{significant(v['median'])} [{significant(v['low'])}, {significant(v['high'])}]"
            for v in (one[name] for name in MEASURES)
        ]
        p = [f"{one[f'{name}_p']:.2g}" if f"{name}_p" in one else "" for name in MEASURES]
        seconds = f"{one['seconds']['median']:.0f}"
        rows.append((one["sampler"], str(one["studies"]), cells[0], p[0], cells[1], p[1], seconds))
    columns = ("sampler", "studies", "best score", "p", "hypervolume", "p", "seconds")
    caption = f"After {summary['trials']} trials: medians over seeds, 10th to 90th percentile"
    sections = [
        section(
            "What each reached",
            scroll(table(columns, rows, caption=caption), caption),
            note(f"p: two-sided rank tests against {summary['baseline']}"),
            note(scores),
        ),
        section("On the way", [[tag("h3", chart.title), plot(chart)] for chart in charts]),
    ]
    return page("Searches compared", None, sections), [*charts]
