"""Charts as files, drawn by matplotlib: PNG, SVG or PDF by the ending."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.charts.chart import XY, Bars, Chart, Matrix, Series
from nas.support.files import write_whole
from nas.support.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS = "oDs^"
KINDS = ("png", "svg", "pdf")


def save(figure: Figure, path: Path) -> None:
    """Writes a figure; the same one is the same file. Errors: `NasError`."""
    from matplotlib import rc_context

    kind = path.suffix[1:]
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}):
        dated = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else {}
        figure.savefig(buffer, format=kind, metadata=dated, dpi=150)
    write_whole(path, buffer.getvalue())


def draw(chart: Chart) -> Figure:
    """The chart as a matplotlib figure."""
    from matplotlib.figure import Figure

    tall = max(2.0, 0.28 * len(chart.labels) + 1) if isinstance(chart, Bars) else 4.5
    figure = Figure(figsize=(7, tall), layout="constrained")
    draw_on(figure.subplots(), chart)
    return figure


def draw_on(axes: Any, chart: Chart) -> None:
    """Draws the chart on axes of a figure."""
    axes.set_title(_plain(chart.title))
    match chart:
        case XY():
            _xy(axes, chart)
        case Bars():
            places = range(len(chart.labels))
            bars = axes.barh(places, chart.values)
            axes.set_yticks(places, [_plain(label) for label in chart.labels])
            axes.invert_yaxis()
            axes.set_xlabel(_plain(chart.x))
            axes.bar_label(bars, [_plain(text) for text in chart.texts], padding=3)
            axes.margins(x=0.15)
        case Matrix():
            _matrix(axes, chart)


def _xy(axes: Any, chart: XY) -> None:
    for i, series in enumerate(chart.series):
        _series(axes, series, f"C{i}", MARKS[i % len(MARKS)])
    axes.set_xlabel(_plain(chart.x))
    axes.set_ylabel(_plain(chart.y))
    axes.set_xlim(*chart.x_range)
    axes.set_ylim(*chart.y_range)
    if chart.log_x:
        axes.set_xscale("log")
    if chart.log_y:
        axes.set_yscale("log")
    if chart.diagonal:
        axes.plot(chart.x_range, chart.x_range, color="grey", linestyle="--", linewidth=1)
        axes.set_aspect("equal")
    if len(chart.series) > 1:
        axes.legend()


def _series(axes: Any, series: Series, colour: str, mark: str) -> None:
    style: dict[str, Any] = {"label": _plain(series.name), "color": colour}
    if series.kind == "cloud":
        style |= {"color": "grey", "alpha": 0.4, "linewidths": 0}
        axes.scatter(series.x, series.y, s=8, rasterized=True, **style)
    elif series.kind == "points":
        if series.low:
            below = [y - low for y, low in zip(series.y, series.low, strict=True)]
            above = [high - y for y, high in zip(series.y, series.high, strict=True)]
            axes.errorbar(series.x, series.y, (below, above), fmt="none", color=colour, alpha=0.4)
        axes.scatter(series.x, series.y, s=30, marker=mark, zorder=3, **style)
    else:
        style["drawstyle"] = "steps-post" if series.kind == "step" else "default"
        axes.plot(series.x, series.y, linestyle="--" if series.dashed else "-", **style)
        if series.low:
            band = {"alpha": 0.2, "color": colour, "linewidth": 0}
            axes.fill_between(series.x, series.low, series.high, **band)


def _matrix(axes: Any, chart: Matrix) -> None:
    shares = [[number / max(sum(row), 1) for number in row] for row in chart.counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places, labels = range(len(chart.labels)), [_plain(label) for label in chart.labels]
    axes.set_xticks(places, labels, rotation=45, ha="right")
    axes.set_yticks(places, labels)
    axes.set_xlabel("taken for")
    axes.set_ylabel("true class")
    if len(chart.labels) <= 20:
        for i, row in enumerate(chart.counts):
            for j, number in enumerate(row):
                if number:
                    colour = "white" if shares[i][j] > 0.5 else "black"
                    axes.text(j, i, str(number), ha="center", va="center", color=colour, size=8)


def _plain(text: str) -> str:
    """A text of which nothing is taken for mathematics, or cannot be drawn."""
    return printable(text).replace("$", r"\$")


def save_all(charts: Sequence[Chart], folder: Path) -> list[Path]:
    """Writes each chart as PNG and SVG; returns the paths. Errors: `NasError`."""
    paths = []
    for chart in charts:
        figure = draw(chart)
        for kind in ("png", "svg"):
            paths.append(folder / f"{chart.name}.{kind}")
            save(figure, paths[-1])
    return paths
