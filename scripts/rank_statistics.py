"""Rank correlations and their uncertainty, for the scripts that judge scores.

from rank_statistics import bootstrapped, spearman
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

import numpy as np
from scipy.stats import kendalltau, rankdata, spearmanr

RESAMPLES = 1000
Vector = np.ndarray[Any, np.dtype[np.float64]]


def pooled_deviation(groups: list[list[float]]) -> float:
    """The standard deviation within groups, pooled by degrees of freedom."""
    squares = sum(float(np.var(g, ddof=1)) * (len(g) - 1) for g in groups)
    return float((squares / sum(len(g) - 1 for g in groups)) ** 0.5)


def ceiling(accuracy: Vector, deviation: float, given: Vector | None = None) -> float:
    """Spearman between true and measured accuracy, by simulation.

    The true values are the measured ones, drawn together so that with the noise they spread as
    much as what was measured.
    """
    variance = float(accuracy.var(ddof=1))
    kept = max(0.0, 1 - deviation**2 / variance) ** 0.5 if variance else 0.0
    true = accuracy.mean() + kept * (accuracy - accuracy.mean())
    rng = np.random.default_rng(0)
    draws = [true + rng.normal(0, deviation, len(true)) for _ in range(200)]
    if given is None:
        return fmean(spearman(true, draw) for draw in draws)
    return fmean(partial_spearman(true, draw, given) for draw in draws)


def spearman(x: Vector, y: Vector) -> float:
    """Spearman's rank correlation, 0 for a constant."""
    return float(np.nan_to_num(spearmanr(x, y).statistic)) if np.ptp(x) and np.ptp(y) else 0.0


def partial_spearman(x: Vector, y: Vector, given: Vector) -> float:
    """The correlation of the ranks of x and y after those of `given` are regressed out of both."""
    a, b, c = spearman(x, y), spearman(x, given), spearman(y, given)
    scale = ((1 - b * b) * (1 - c * c)) ** 0.5
    return (a - b * c) / scale if scale > 1e-9 else 0.0


def partial_kendall(x: Vector, y: Vector, given: Vector) -> float:
    """Kendall's partial rank correlation."""
    a, b, c = (kendall(*pair) for pair in ((x, y), (x, given), (y, given)))
    scale = ((1 - b * b) * (1 - c * c)) ** 0.5
    return (a - b * c) / scale if scale > 1e-9 else 0.0


def kendall(x: Vector, y: Vector) -> float:
    """Kendall's tau-b, 0 for a constant."""
    return float(np.nan_to_num(kendalltau(x, y).statistic)) if np.ptp(x) and np.ptp(y) else 0.0


def bootstrapped(statistic: Callable[..., float], *columns: Vector) -> tuple[float, float, float]:
    """The statistic and its 95% interval over resamples of the networks."""
    rng = np.random.default_rng(0)
    n = len(columns[0])
    ranked = [rankdata(column) for column in columns]
    drawn = []
    for _ in range(RESAMPLES):
        members = rng.integers(n, size=n)
        drawn.append(statistic(*(column[members] for column in ranked)))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return statistic(*columns), float(low), float(high)


def mean(values: Vector) -> str:
    """The mean and its 95% interval over resamples."""
    draws = np.random.default_rng(0).choice(values, (RESAMPLES, len(values))).mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{values.mean():+.1f} ({low:+.1f} to {high:+.1f})"
