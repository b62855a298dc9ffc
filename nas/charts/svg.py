"""Charts as SVG for a page: colours are the page's, text keeps its size, points can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite, log, pi, sin

from nas.charts.chart import XY, Bars, Chart, Matrix, Series, tick_texts, ticks
from nas.support.html import Html, tag

CHARACTER = 6.6  # px wide, in text of 12 px
COLOURS = 6
Map = Callable[[float], float]


def svg(chart: Chart, width: int) -> Html:
    """The chart, `width` px wide."""
    match chart:
        case XY():
            return _xy(chart, width)
        case Bars():
            return _bars(chart, width)
        case Matrix():
            return _matrix(chart, width)


def _xy(chart: XY, width: int) -> Html:
    height = round(width if chart.diagonal else max(0.55 * width, 240))
    height = min(height, 480)
    y_ticks = ticks(*chart.y_range, 6, chart.log_y)
    y_texts = tick_texts(y_ticks)
    left = 26 + CHARACTER * max(map(len, y_texts), default=1)
    right, top, bottom = width - 10, 10, height - 42
    across = _scale(*chart.x_range, left, right, chart.log_x)
    up = _scale(*chart.y_range, bottom, top, chart.log_y)
    x_ticks = ticks(*chart.x_range, round((right - left) / 70), chart.log_x)
    grid = [_line(left, up(v), right, up(v), "grid") for v in y_ticks]
    grid += [
        _words(left - 6, up(v) + 4, text, anchor="end")
        for v, text in zip(y_ticks, y_texts, strict=True)
    ]
    grid += [_line(across(v), bottom, across(v), bottom + 4, "axis") for v in x_ticks]
    grid += [
        _words(across(v), bottom + 17, text, anchor="middle")
        for v, text in zip(x_ticks, tick_texts(x_ticks), strict=True)
    ]
    grid.append(_line(left, bottom, right, bottom, "axis"))
    grid.append(_words((left + right) / 2, height - 6, chart.x, anchor="middle"))
    turned = f"translate(12 {(top + bottom) / 2:.0f}) rotate(-90)"
    grid.append(tag("text", chart.y, text_anchor="middle", transform=turned))
    if chart.diagonal:
        low, high = chart.x_range
        grid.append(_line(across(low), up(low), across(high), up(high), "grid dashed"))
    # Clouds lie behind what can be chosen.
    order = sorted(enumerate(chart.series), key=lambda item: item[1].kind != "cloud")
    marks = [_series(one, i % COLOURS, across, up) for i, one in order]
    return _picture(chart.title, width, height, [*grid, *marks])


def _scale(low: float, high: float, start: float, end: float, logarithmic: bool) -> Map:
    def place(value: float) -> float:
        return start + (value - low) / (high - low) * (end - start)

    if logarithmic:
        low, high = log(low), log(high)
        return lambda value: start + (log(value) - low) / (high - low) * (end - start)
    return place


def _series(series: Series, colour: int, across: Map, up: Map) -> Html:
    there = [i for i, v in enumerate(series.y) if isfinite(v)]
    places = [(across(series.x[i]), up(series.y[i])) for i in there]
    marks: list[Html] = []
    if series.kind == "cloud":
        marks.append(
            tag("path", d="".join(f"M{x:.0f} {y:.0f}h0" for x, y in places), class_="cloud")
        )
    elif series.kind == "points":
        if series.low:
            for (x, _), i in zip(places, there, strict=True):
                marks.append(_line(x, up(series.low[i]), x, up(series.high[i]), "bar"))
        for number, ((x, y), i) in enumerate(zip(places, there, strict=True)):
            tip = series.tips[i] if series.tips else None
            key = series.keys[i] if series.keys else None
            marks.append(
                tag(
                    "path",
                    d=_mark(colour, x, y),
                    class_="point",
                    data_tip=tip,
                    data_key=key,
                    tabindex=None if tip is None else -1 if number else 0,
                    role=("button" if key else "img") if tip else None,
                    aria_label=tip,
                )
            )
    elif places:
        if series.low:
            back = [(across(series.x[i]), up(series.low[i])) for i in reversed(there)]
            edge = [(across(series.x[i]), up(series.high[i])) for i in there]
            marks.append(tag("path", d=_path([*edge, *back]) + "z", class_="band"))
        if series.kind == "step":
            places = list(_steps(places))
        marks.append(
            tag("path", d=_path(places), class_="line dashed" if series.dashed else "line")
        )
    return tag("g", marks, class_=f"c{colour}")


def _mark(shape: int, x: float, y: float) -> str:
    """A circle, a diamond, a square or a triangle of about the same area, so that colour is not all
    that tells series apart."""
    if shape % 4 == 0:
        return f"M{x - 4.5:.1f} {y:.1f}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z"
    if shape % 4 == 1:
        return f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6-6z"
    if shape % 4 == 2:
        return f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z"
    return f"M{x:.1f} {y - 6:.1f}l5.5 10h-11z"


def _steps(places: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    before = None
    for i, (x, y) in enumerate(places):
        if before is not None and (y != before or i == len(places) - 1):
            yield x, before
        if y != before:
            yield x, y
        before = y


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _bars(chart: Bars, width: int) -> Html:
    row, room = 24, 8 + CHARACTER * max(map(len, chart.texts), default=1)
    longest = max(map(len, chart.labels), default=1)
    left = min(CHARACTER * longest + 8, 0.45 * width)
    most = max([*chart.values, 1e-12])
    marks = []
    for i, (label, value, text) in enumerate(
        zip(chart.labels, chart.values, chart.texts, strict=True)
    ):
        y = 4 + i * row
        long = max(value, 0) / most * (width - left - room)
        marks += [
            _words(left - 6, y + 15, _cut(label, left - 6), anchor="end"),
            tag("rect", x=f"{left:.0f}", y=y + 3, width=f"{long:.1f}", height=row - 8, rx=2),
            _words(left + long + 5, y + 15, text),
        ]
    height = 8 + row * len(chart.labels)
    return _picture(f"{chart.title}: {chart.x}", width, height, [tag("g", marks, class_="c0")])


def _matrix(chart: Matrix, width: int) -> Html:
    count = len(chart.labels)
    side = min(CHARACTER * max(map(len, chart.labels)) + 22, 0.3 * width)
    size = min((width - side - 4) / count, 44)
    slant = 0.8 * side * sin(pi / 4) + 16
    marks = [_words(0, slant - 6, "true")]
    for i, label in enumerate(chart.labels):
        short = _cut(label, side - 12)
        x, y = side + (i + 0.6) * size, slant + (i + 0.5) * size
        turned = f"translate({x:.1f} {slant - 6:.1f}) rotate(-45)"
        marks += [
            _words(side - 6, y + 4, short, anchor="end"),
            tag("text", _cut(label, 0.8 * side), transform=turned),
        ]
    for i, row in enumerate(chart.counts):
        total = max(sum(row), 1)
        for j, number in enumerate(row):
            x, y = side + j * size, slant + i * size
            share = number / total
            tip = f"{number} of {total} of {chart.labels[i]} taken for {chart.labels[j]}"
            cell = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{size - 1:.1f}"}
            opacity = f"{0.06 + 0.94 * share:.2f}" if number else "0.03"
            marks.append(
                tag(
                    "rect",
                    **cell,
                    height=f"{size - 1:.1f}",
                    class_="right" if i == j else "wrong",
                    fill_opacity=opacity,
                    data_tip=tip,
                )
            )
            if number and size > 1.3 * CHARACTER * len(str(number)):
                strong = "strong" if share > 0.5 else None
                middle = {"anchor": "middle", "class_": strong}
                marks.append(_words(x + size / 2, y + size / 2 + 4, str(number), **middle))
    drawn = round(side + count * size + 0.6 * side)
    return _picture(chart.title, min(width, drawn), round(slant + count * size + 2), marks)


def _cut(text: str, width: float) -> str:
    most = max(int(width / CHARACTER), 2)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return tag("line", **{k: f"{v:.1f}" for k, v in ends.items()}, class_=class_)


def _words(x: float, y: float, text: str, anchor: str | None = None, **more: object) -> Html:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, **more)


def _picture(title: str, width: float, height: float, marks: Sequence[Html]) -> Html:
    return tag(
        "svg",
        marks,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="group",
        aria_label=title,
    )
