"""The hierarchical regression: effects shared by all tables, a level, a slope and a noise for each.

    log odds = level(recipe) + slope(table) * (effects . x) + deviation(table) . x + noise

A table's own deviation from the shared effects is as likely a priori as DEVIATION times the
effects' own uncertainty. So a table of a thousand networks does not outvote one of fifty: what it
says beyond its own peculiarity stays little. All of it is Gaussian, and a table enters by its sums
of squares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nas.accuracy.effects import SHARED
from nas.accuracy.features import Matrix, Vector

# Accuracies are taken into this range before their log odds: chance among a thousand classes, and
# one error in ten thousand images.
LOWEST, HIGHEST = 0.001, 0.9999
DEVIATION = 10.0  # variance of a table's deviation, in variances of the shared effects
SLOPE = 0.5  # deviation of a slope's logarithm
SLOPE_ROWS = 30  # a table says no more of its slope than so many networks
ROUNDS = 8
LEAST_NOISE = 1e-4  # variance of the log odds


class Squares(NamedTuple):
    """A table's sums of squares, features and log odds centred within each recipe."""

    rows: int
    xx: Matrix
    xy: Vector
    yy: float


class Fitted(NamedTuple):
    """The shared effects and their covariance; slope and noise (variance) of each table."""

    effects: Vector
    covariance: Matrix
    slopes: dict[str, float]
    noises: dict[str, float]


def log_odds(share: Vector) -> Vector:
    """The log odds of accuracies from 0 to 1, those at the ends drawn in."""
    inside = np.clip(share, LOWEST, HIGHEST)
    odds: Vector = np.log(inside / (1 - inside))
    return odds


def share_of(odds: Vector) -> Vector:
    """The accuracies, from 0 to 1, of log odds."""
    share: Vector = 1 / (1 + np.exp(-odds))
    return share


def centred(columns: Matrix, groups: Sequence[str]) -> Matrix:
    """Columns less their means within each group of rows."""
    deviations, names = columns.copy(), np.array(groups)
    for name in set(groups):
        deviations[names == name] -= deviations[names == name].mean(axis=0)
    return deviations


def squares(features: Matrix, odds: Vector, groups: Sequence[str]) -> Squares:
    """The sums of a table's rows."""
    x, y = centred(features, groups), centred(odds, groups)
    return Squares(len(y), x.T @ x, x.T @ y, float(y @ y))


def prior() -> tuple[Vector, Vector]:
    """Mean and variance of the shared effects before any table."""
    mean = np.array([effect.mean for effect in SHARED.values()])
    return mean, np.array([effect.deviation for effect in SHARED.values()]) ** 2


def fit(tables: Mapping[str, Squares]) -> Fitted:
    """The effects given the tables: in turn the effects, and every table's slope and noise."""
    mean, variance = prior()
    own, eye = DEVIATION * variance, np.eye(len(mean))
    slopes, noises = dict.fromkeys(tables, 1.0), dict.fromkeys(tables, 0.05)
    effects, covariance = mean, np.diag(variance)
    for _ in range(ROUNDS if tables else 0):
        precision, weighted = np.diag(1 / variance), mean / variance
        for name, table in tables.items():
            scale = slopes[name] / noises[name]
            a, b = table.xx * slopes[name] * scale, table.xy * scale
            both = np.linalg.solve(eye + a * own, np.column_stack([a, b]))
            precision, weighted = precision + both[:, :-1], weighted + both[:, -1]
        covariance = np.array(np.linalg.inv((precision + precision.T) / 2), float)
        effects = covariance @ weighted
        for name, table in tables.items():
            slopes[name], noises[name] = _rescaled(table, effects, own, slopes[name], noises[name])
    return Fitted(effects, covariance, slopes, noises)


def _rescaled(
    table: Squares, effects: Vector, own: Vector, slope: float, noise: float
) -> tuple[float, float]:
    """A table's slope and noise, given the shared effects."""
    a = table.xx * slope**2 / noise
    inverse = np.linalg.inv(a + np.diag(1 / own))
    mine = inverse @ (table.xy * slope / noise + effects / own)
    rest = table.yy - 2 * slope * mine @ table.xy + slope**2 * mine @ table.xx @ mine
    spent = float(np.trace(inverse @ a))
    noise = max(float(rest) / max(table.rows - spent, 0.3 * table.rows), LEAST_NOISE)
    explained = float(effects @ table.xx @ effects)
    if explained <= 0:
        return slope, noise
    estimate = float(effects @ table.xy) / explained
    known = explained / table.rows / noise * min(table.rows, SLOPE_ROWS)
    return float(np.exp(known / (known + 1 / SLOPE**2) * np.log(max(estimate, 0.2)))), noise
