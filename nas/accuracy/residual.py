"""What a table shows beyond the shared effects, near its own kind of networks.

A Gaussian process over the local features, by its values at landmarks: networks drawn by chance
from the table's space, whose accuracies are not known. It speaks of networks of that space only: it
fades out with another one's distance from the landmarks' distribution. Only sums over the table's
rows are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas.accuracy.effects import KIND
from nas.accuracy.features import Matrix, Vector
from nas.accuracy.regression import Squares, centred

REACH = 0.6  # how far apart, in local features, networks are still alike
AMPLITUDE = 1.0  # deviation of the process before it has seen anything, in log odds
JITTER = 1e-6
GRAIN = 0.005  # deviation in local features, below which a difference is none
STRANGER = 0.01  # membership that is none
FADE = (
    1.5  # times the landmarks' largest distance from their middle, where a process begins to fade
)
LANDMARKS = 200


def alikeness(a: Matrix, b: Matrix) -> Matrix:
    """How alike networks are, from 0 to 1, one of `a` a row and one of `b` a column."""
    alike: Matrix = np.exp(distances(a, b) / (-2 * REACH**2))
    return alike


def distances(a: Matrix, b: Matrix) -> Matrix:
    """Squared distances, one of `a` a row and one of `b` a column."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    clipped: Matrix = np.maximum(squared, 0)
    return clipped


class Basis:
    """Coordinates in which the process is a sum of independent weights."""

    def __init__(self, landmarks: Matrix) -> None:
        self.landmarks = landmarks
        gram = alikeness(landmarks, landmarks) + JITTER * np.eye(len(landmarks))
        self._root = np.linalg.inv(np.linalg.cholesky(gram)).T
        kinds = landmarks[:, KIND]
        self._middle = kinds.mean(axis=0)
        spread = np.cov(kinds.T) + GRAIN**2 * np.eye(kinds.shape[1])
        self._whitening = np.linalg.inv(np.linalg.cholesky(spread)).T
        self._farthest = FADE * float(self._distance(landmarks).max())

    def __call__(self, local: Matrix) -> Matrix:
        coordinates: Matrix = alikeness(local, self.landmarks) @ self._root
        return coordinates

    def membership(self, local: Matrix) -> Vector:
        """Membership in the landmarks' space: 1 for its networks, 0 for those far outside."""
        beyond = self._distance(local) / self._farthest
        member: Vector = np.exp(-np.maximum(beyond - 1, 0))
        return np.where(member < STRANGER, 0.0, member)

    def _distance(self, local: Matrix) -> Vector:
        """Squared distance from the landmarks' middle, in their own deviations."""
        away = (local[:, KIND] - self._middle) @ self._whitening
        distance: Vector = (away**2).sum(axis=1)
        return distance


class Residual(NamedTuple):
    """Sums of a table's rows in the coordinates of its landmarks, centred within each recipe."""

    landmarks: Matrix
    pp: Matrix
    px: Matrix
    py: Vector

    @classmethod
    def of(
        cls, landmarks: Matrix, local: Matrix, shared: Matrix, odds: Vector, groups: Sequence[str]
    ) -> Residual:
        """The sums of a table."""
        p, x, y = (centred(v, groups) for v in (Basis(landmarks)(local), shared, odds))
        return cls(landmarks, p.T @ p, p.T @ x, p.T @ y)


class Process(NamedTuple):
    """The process given a table, in the units of the shared effects; `middle` is its mean over the
    landmarks, which belongs to the table's level."""

    basis: Basis
    weights: Vector
    middle: float

    def mean(self, local: Matrix) -> Vector:
        """What networks are better than the shared effects say, in log odds."""
        member = self.basis.membership(local)
        inside = member > 0
        excess = np.zeros(len(local))
        if inside.any():
            excess[inside] = self.basis(local[inside]) @ self.weights - self.middle
        return excess * member


def process(sums: Residual, table: Squares, effects: Vector, slope: float) -> Process:
    """The process given a table, with the noise at the likelihood's fixed point.

    In the axes of `pp` every round is sums of vectors.
    """
    sizes, axes = np.linalg.eigh(sums.pp)
    target = axes.T @ (sums.py / slope - sums.px @ effects)
    rest = table.yy / slope**2 - 2 * effects @ table.xy / slope + effects @ table.xx @ effects
    noise = 0.05
    for _ in range(20):
        variance = 1 / (sizes / noise + 1 / AMPLITUDE**2)
        weights = variance * target / noise
        error = rest - 2 * weights @ target + weights @ (sizes * weights)
        spent = float(variance @ sizes) / noise
        noise = max(float(error) / max(table.rows - spent, 0.2 * table.rows), 1e-4)
    basis, weights = Basis(sums.landmarks), axes @ weights
    return Process(basis, weights, float((basis(sums.landmarks) @ weights).mean()))
