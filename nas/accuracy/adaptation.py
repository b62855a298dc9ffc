"""A new table from a few trained networks: level, slope, and its departures from the prior.

    log odds = level + slope * (prior + linear departure + process) + own + noise

Both departures are Gaussian processes over the local features; `own` is what a network has that its
features do not show, so that of one that was trained its own accuracy says the most. What is not
known of them (slope, sizes, reach, noise) is averaged over a grid, each point weighted by how
likely it makes the networks.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from nas.accuracy.features import Matrix, Vector
from nas.accuracy.regression import LEAST_NOISE
from nas.accuracy.residual import distances
from nas.support.outliers import outlying
from nas.support.threads import one_blas_thread

SLOPES = (0.4, 0.7, 1.0, 1.4)
LINEAR = (0.1, 0.3, 0.6, 1.2)  # of the local features, which are scaled by what they should move
PROCESS = ((0.0, 1.0), (0.1, 0.2), (0.1, 0.5), (0.3, 0.2), (0.3, 0.5), (0.3, 1.0))  # size, reach
NOISES = (0.07, 0.15, 0.3, 0.5)  # deviation, in deviations of what is to be explained
SLOPE_SPREAD, SLOPE_DOUBT = 0.5, 0.3  # of its logarithm; deviation around a point of the grid
LINEAR_SPREAD, SIZE_SPREAD = 0.3, 0.15  # deviations of the departures' sizes
# Of the variance that features leave, the share that is the network's own, the rest being of its
# training: other seeds of networks that were known by one are predicted best with 0.5 to 0.6, and
# intervals hold less often the larger it is (`scripts/judge_own.py`).
OWN = 0.5
LEVEL = 10.0  # variance of the level, in variances of what is to be explained
MANY = 300  # networks beyond which the grid is weighed on so many of them
KEPT = 12  # points of the grid that are averaged
# The deviation of the log odds within a table, the median of 14, and how many networks it counts
# as: a few that happen to be alike do not show how different others are.
TYPICAL, TYPICAL_COUNT = 0.25, 2
NINE_TENTHS = 1.645  # deviations
# Deviation of the slope beyond two deviations of the known networks' prior means, in slopes: those
# that are all good, or all cheap, do not show that the others lie on their line.
OUTSIDE = 0.7
TRUST = 100  # networks whose left-out errors count as much as theory in the interval
# Log odds beyond which a network that is outlying is far from what the others show. None of the
# 2,203 of recipes with 15 or more is: it is a broken training, or a number of another unit.
FAR = 2.0


Index = np.ndarray[Any, np.dtype[np.intp]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Networks = tuple[Vector, Matrix, Index]  # prior means, local features, names
Parts = tuple[Matrix, Matrix, Matrix, Matrix]


class Point(NamedTuple):
    """One point of the grid."""

    slope: float
    linear: float
    size: float
    reach: float
    noise: float

    @property
    def doubt(self) -> float:
        """How unlikely the point is before any network: departures are small, slopes near 1."""
        slope = np.log(self.slope) / SLOPE_SPREAD
        departures = (self.linear / LINEAR_SPREAD) ** 2 + (self.size / SIZE_SPREAD) ** 2
        return float(slope**2 + departures) / 2


GRID = [
    Point(slope, linear, size, reach, noise)
    for slope, linear, (size, reach), noise in product(SLOPES, LINEAR, PROCESS, NOISES)
]


def far_off(odds: Vector, priors: Iterable[Vector]) -> Mask:
    """Which networks are far from what the others show, by each of the priors' means; none where
    they are more than a fifth, which then have something in common."""
    far = np.ones(len(odds), bool)
    for before in priors:
        far &= outlying(odds - before, FAR)
    few: Mask = far & (5 * far.sum() <= len(far))
    return few


class Adaptation:
    """What follows from the prior means, local features and log odds of a table's networks, which
    `names` tells apart. Those that are `far` say nothing of the others."""

    @one_blas_thread()
    def __init__(
        self, before: Vector, local: Matrix, names: Index, odds: Vector, far: Mask | None = None
    ) -> None:
        far = np.zeros(len(odds), bool) if far is None else far
        alone = far & ~np.isin(names, names[~far])  # another training of it may not be far
        # Of several broken trainings of one network the mean, whatever their order is.
        self._far = {name: odds[alone & (names == name)] for name in names[alone]}
        before, local, names, odds = before[~far], local[~far], names[~far], odds[~far]
        self.before, self.odds, self._known = before, odds, (before, local, names)
        self._center, self._middle = float(before.mean()), local.mean(axis=0)
        self._level = float(odds.mean())
        squares = float(((odds - self._level) ** 2).sum()) + TYPICAL_COUNT * TYPICAL**2
        self._spread = sqrt(squares / (len(odds) - 1 + TYPICAL_COUNT))
        rows = np.arange(len(odds))
        if len(rows) > MANY:
            rows = np.lexsort((odds, names))  # whatever the networks' order is
            rows = np.random.default_rng(0).permutation(rows)[:MANY]
        some = before[rows], local[rows], names[rows]
        parts = self._parts(some, some)
        scored = sorted(((self._likelihood(p, rows, parts), p) for p in GRID), reverse=True)
        top = scored[0][0]
        kept = scored[:KEPT] if len(odds) <= MANY else scored[:2]
        # The logarithm of how likely all this makes the accuracies, but for a constant.
        self.evidence = top + float(np.log(np.exp([score - top for score, _ in scored]).sum()))
        weights = np.array([np.exp(score - top) for score, _ in kept])
        self._weights = weights / weights.sum()
        parts = self._parts(self._known, self._known)
        self._solved = [(point, *self._solve(point, parts)) for _, point in kept]
        self.factor = self._interval_factor()

    def predict(self, before: Vector, local: Matrix, names: Index) -> tuple[Vector, Vector]:
        """Mean and deviation of the log odds of networks, a new training's noise included."""
        means, variances = [], []
        parts = self._parts((before, local, names), self._known)
        away = (before - self._center) ** 2, ((local - self._middle) ** 2).sum(axis=1)
        for point, inverse, weights in self._solved:
            cross = self._kernel(point, *parts)
            untold = self._diagonal(point, *away)
            means.append(self._mean(point, before) + cross @ weights)
            noise = (point.noise * self._spread) ** 2
            left = untold + OWN * noise - ((cross @ inverse) * cross).sum(axis=1)
            beyond = (OUTSIDE * point.slope * self._outside(before)) ** 2
            variances.append(np.maximum(left, 0) + (1 - OWN) * noise + beyond)
        mean: Vector = (self._weights @ np.array(means)).astype(np.float64)
        between = self._weights @ (np.array(means) - mean) ** 2
        deviation: Vector = self.factor * np.sqrt(self._weights @ np.array(variances) + between)
        for name, own in self._far.items():
            # What it was, and no narrower than to what the others say: its training may be broken.
            mine = names == name
            away = np.abs(own[:, None] - mean[mine]).max(axis=0)
            deviation[mine] = np.maximum(deviation[mine], away / NINE_TENTHS)
            mean[mine] = own.mean()
        # Networks that happen to be equally good do not show that trainings have no noise.
        return mean, np.maximum(deviation, sqrt(LEAST_NOISE))

    @property
    def slope(self) -> float:
        """How much the mean rises with the prior's, local features staying as they are."""
        away = self.before - self._center
        rises = [p.slope + (p.slope * SLOPE_DOUBT) ** 2 * (away @ w) for p, _, w in self._solved]
        return float(self._weights @ np.array(rises))

    def _outside(self, before: Vector) -> Vector:
        """How far prior means are beyond two deviations of the known ones."""
        usual = 2 * float(self.before.std(ddof=1)) if len(self.before) > 1 else 0.0
        outside: Vector = np.maximum(np.abs(before - self._center) - usual, 0)
        return outside

    def _mean(self, point: Point, before: Vector) -> Vector:
        return self._level + point.slope * (before - self._center)

    def _parts(self, some: Networks, others: Networks) -> Parts:
        """What kernels are made of: products of the priors and of the local features, distances,
        and which networks are the same."""
        f, g = (before - self._center for before, _, _ in (some, others))
        u, v = (local - self._middle for _, local, _ in (some, others))
        return np.outer(f, g), u @ v.T, distances(u, v), some[2][:, None] == others[2]

    def _kernel(
        self, point: Point, priors: Matrix, linear: Matrix, apart: Matrix, same: Matrix
    ) -> Matrix:
        unscaled = SLOPE_DOUBT**2 * priors + point.linear**2 * linear
        if point.size:
            unscaled = unscaled + point.size**2 * np.exp(apart / (-2 * point.reach**2))
        own = OWN * point.noise**2 * same
        kernel: Matrix = point.slope**2 * unscaled + (LEVEL + own) * self._spread**2
        return kernel

    def _diagonal(self, point: Point, priors: Vector, linear: Vector) -> Vector:
        unscaled = SLOPE_DOUBT**2 * priors + point.linear**2 * linear + point.size**2
        diagonal: Vector = point.slope**2 * unscaled + LEVEL * self._spread**2
        return diagonal

    def _covariance(self, point: Point, parts: Parts) -> Matrix:
        noise = (1 - OWN) * (point.noise * self._spread) ** 2
        covariance: Matrix = self._kernel(point, *parts) + noise * np.eye(len(parts[0]))
        return covariance

    def _likelihood(self, point: Point, rows: Index, parts: Parts) -> float:
        root = np.linalg.cholesky(self._covariance(point, parts))
        error = self.odds[rows] - self._mean(point, self.before[rows])
        solved = np.linalg.solve(root, error)
        return float(-0.5 * solved @ solved - np.log(np.diag(root)).sum()) - point.doubt

    def _solve(self, point: Point, parts: Parts) -> tuple[Matrix, Vector]:
        inverse: Matrix = np.linalg.inv(self._covariance(point, parts)).astype(np.float64)
        return inverse, inverse @ (self.odds - self._mean(point, self.before))

    def _interval_factor(self) -> float:
        """How much wider the intervals must be than nine tenths of a normal distribution.

        How noisy networks are is known from these alone, and level, slope and departures have taken
        about half of what they tell: Student's distribution with the other half as its degrees of
        freedom, and one for what is known of noise before them. Of many networks it counts, too,
        what leaving each out shows.
        """
        from scipy.special import stdtrit

        errors = []
        for _, inverse, weights in self._solved:
            errors.append(weights / np.sqrt(np.diag(inverse)))
        scores = np.sort(np.abs(self._weights @ np.array(errors)))
        n = len(set(self._known[2]))  # other trainings of a network say less than another network
        rank = min(len(scores) - 1, int(np.ceil(0.9 * (len(scores) + 1))) - 1)
        seen = float(scores[rank]) / NINE_TENTHS
        student = float(stdtrit((n + 3) / 2, 0.95)) / NINE_TENTHS
        return student * (n * seen + TRUST) / (n + TRUST)
