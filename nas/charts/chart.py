"""What a chart shows, as plain data; how it is drawn is a matter of `svg` and `figure`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, floor, isfinite, log10
from typing import Literal, TypeAlias

Values = Sequence[float]


@dataclass(frozen=True)
class Series:
    """Values against others. `low` and `high` are an interval around each: a band about a line, a
    bar through a point. `tips` say what each point is, `keys` what choosing it shows.

    kind: "points" can be chosen, a "cloud" is there to be seen only; a "step" holds until the next.
    """

    name: str
    x: Values
    y: Values
    kind: Literal["points", "cloud", "line", "step"] = "line"
    low: Values = ()
    high: Values = ()
    tips: Sequence[str] = ()
    keys: Sequence[str] = ()
    dashed: bool = False


@dataclass(frozen=True)
class XY:
    """Series over two axes; `diagonal` draws where both are equal, which makes the axes alike."""

    name: str
    title: str
    x: str
    y: str
    series: Sequence[Series]
    log_x: bool = False
    log_y: bool = False
    diagonal: bool = False

    @property
    def x_range(self) -> tuple[float, float]:
        """The least and the greatest of what is drawn over the first axis, with a margin."""
        return self._both() if self.diagonal else _range(self._xs(), self.log_x)

    @property
    def y_range(self) -> tuple[float, float]:
        """The same over the second."""
        return self._both() if self.diagonal else _range(self._ys(), self.log_y)

    def _both(self) -> tuple[float, float]:
        return _range([*self._xs(), *self._ys()], self.log_x)

    def _xs(self) -> list[float]:
        return [v for s in self.series for v in s.x]

    def _ys(self) -> list[float]:
        return [v for s in self.series for v in chain(s.y, s.low, s.high)]


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, one a name; `texts` are the values as they are written."""

    name: str
    title: str
    x: str
    labels: Sequence[str]
    values: Values
    texts: Sequence[str]


@dataclass(frozen=True)
class Matrix:
    """Counts, a row a true class and a column a predicted one."""

    name: str
    title: str
    labels: Sequence[str]
    counts: Sequence[Sequence[int]]


Chart: TypeAlias = XY | Bars | Matrix


def _range(values: Sequence[float], log: bool) -> tuple[float, float]:
    finite = [v for v in values if isfinite(v) and (v > 0 or not log)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if log:
        margin = max((high / low) ** 0.04, 1.01)
        return low / margin, high * margin
    margin = 0.04 * (high - low) or 0.04 * abs(high) or 0.5
    return low - margin, high + margin


def ticks(low: float, high: float, count: int, log: bool = False) -> list[float]:
    """Up to some `count` round values from `low` to `high`.

    >>> ticks(0.3, 9.8, 5), ticks(0.04, 3, 6, log=True)
    ([2.0, 4.0, 6.0, 8.0], [0.05, 0.1, 0.2, 0.5, 1.0, 2.0])
    """
    if log:
        powers = range(floor(log10(low)), ceil(log10(high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            inside = [
                float(f"{s}e{p}") for p in powers for s in steps if low <= s * 10.0**p <= high
            ]
            if len(inside) <= count:
                break
        if len(inside) >= 2:
            return inside
    rough = (high - low) / count
    power = 10.0 ** floor(log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.7)
    return [round(i * step, 12) for i in range(ceil(low / step), floor(high / step) + 1)]


def tick_texts(values: Sequence[float]) -> list[str]:
    """The ticks as they are written, with as many digits as tell them apart."""
    for digits in range(1, 12):
        texts = [f"{v:.{digits}g}" if abs(v) < 10**digits else f"{v:.0f}" for v in values]
        if all(abs(float(t) - v) <= 1e-9 * abs(v) for t, v in zip(texts, values, strict=True)):
            break
    return texts
