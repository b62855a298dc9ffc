"""`Picture`: a chart as a notebook shows it, and as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas.charts import figure
from nas.charts.chart import Chart
from nas.charts.svg import svg
from nas.support.errors import NasError
from nas.support.html import Html, tag

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTEBOOK = 640  # px


def style() -> str:
    """The style sheet of charts, light and dark: of what is in an element of class `nas`."""
    return Path(__file__).with_name("chart.css").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Picture:
    """A chart: shown as what it is in a notebook, `save`d as PNG, SVG or PDF, or drawn anew."""

    chart: Chart

    def figure(self) -> Figure:
        """The chart as a matplotlib figure, to be changed at will."""
        return figure.draw(self.chart)

    def save(self, path: str | Path) -> None:
        """Writes it by the path's ending. Errors: `NasError`."""
        path = Path(path)
        if path.suffix[1:] not in figure.KINDS:
            allowed = ", ".join(f".{kind}" for kind in figure.KINDS)
            raise NasError(f"picture {path}: must end in {allowed}")
        figure.save(self.figure(), path)

    def _repr_html_(self) -> Html:
        return tag(
            "div", Html(f"<style>{style()}</style>"), drawn(self.chart, NOTEBOOK), class_="nas"
        )


def drawn(chart: Chart, *widths: int) -> Html:
    """The chart with its legend, for each width; a page shows the one that there is room for."""
    names = [one.name for one in getattr(chart, "series", ())]
    legend = [
        tag("li", name, class_=f"c{i % 6}" + (" cloud" if one.kind == "cloud" else ""))
        for i, (name, one) in enumerate(zip(names, getattr(chart, "series", ()), strict=True))
    ]
    sizes = ("wide", "narrow") if len(widths) > 1 else ("",)
    return tag(
        "div",
        tag("ul", legend, class_="legend") if len(legend) > 1 else None,
        [
            tag("div", svg(chart, width), class_=f"drawing {size}".strip())
            for width, size in zip(widths, sizes, strict=True)
        ],
        class_="chart",
    )
