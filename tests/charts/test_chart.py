"""Charts: ticks are round and inside, marks stand where the values say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nas.charts import XY, Series
from nas.charts.chart import tick_texts, ticks
from nas.charts.picture import Picture
from nas.charts.svg import svg
from nas.support.errors import NasError

SMALL = st.floats(1e-6, 1e6)


@given(SMALL, st.floats(1.0001, 1e4), st.integers(2, 8), st.booleans())
def test_ticks_are_inside_round_and_told_apart(
    low: float, ratio: float, count: int, log: bool
) -> None:
    high = low * ratio
    found = ticks(low, high, count, log)
    assert all(low * (1 - 1e-9) <= value <= high * (1 + 1e-9) for value in found)
    assert found == sorted(set(found))
    assert len(found) <= 2 * count + 1
    texts = tick_texts(found)
    assert len(set(texts)) == len(texts)
    assert [float(text) for text in texts] == pytest.approx(found)


def test_points_stand_in_proportion_and_clouds_lie_behind() -> None:
    x, y = [1.0, 2.0, 4.0], [0.0, 5.0, 10.0]
    points = Series("a", x, y, "points", tips=["p", "q", "r"], keys=["1", "2", "3"])
    drawn = svg(XY("n", "t", "x", "y", [points, Series("b", x, y, "cloud")]), 600)
    assert drawn.index('class="cloud"') < drawn.index('class="point"')
    places = [
        (float(a) + 4.5, float(b)) for a, b in re.findall(r'd="M([\d.]+) ([\d.]+)a4.5', drawn)
    ]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert (x2 - x0) / (x1 - x0) == pytest.approx(3, abs=0.02)
    assert (y0 - y2) / (y0 - y1) == pytest.approx(2, abs=0.02)


def test_a_logarithmic_axis_has_equal_ratios_at_equal_distances() -> None:
    points = Series("a", [1.0, 10.0, 100.0], [1.0, 2.0, 3.0], "points")
    drawn = svg(XY("n", "t", "x", "y", [points], log_x=True), 600)
    a, b, c = (float(v) for v in re.findall(r'd="M([\d.]+) [\d.]+a4.5', drawn))
    assert b - a == pytest.approx(c - b, abs=0.2)


@pytest.mark.parametrize("values", [[], [1.0], [float("nan"), 2.0], [3.0, 3.0]])
def test_what_has_no_range_is_drawn(values: list[float], tmp_path: Path) -> None:
    series = [Series("a", values, values, kind) for kind in ("points", "line", "step", "cloud")]
    picture = Picture(XY("n", "t $x$", "x", "y", series))
    assert "<svg" in picture._repr_html_()
    picture.save(tmp_path / "p.png")
    assert Image.open(tmp_path / "p.png").width > 100


def test_a_picture_says_which_files_it_can_be(tmp_path: Path) -> None:
    with pytest.raises(NasError, match=r"must end in \.png, \.svg, \.pdf"):
        Picture(XY("n", "t", "x", "y", [])).save(tmp_path / "p.bmp")
