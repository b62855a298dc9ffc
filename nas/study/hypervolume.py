"""Hypervolume: the volume between a set of points and a reference point that they dominate."""

from __future__ import annotations

import numpy as np

from nas.study.objectives import front


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """The hypervolume of `points` (points, objectives), lower is better; exact (While et al. 2012,
    WFG). A point that is not better than the `reference` in every objective has no part in it.
    """
    inside = points[(points < reference).all(axis=1)]
    inside = inside[front(inside)]
    if not len(inside):
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - inside[0, 0])
    if points.shape[1] == 2:  # in order of the first objective the second one falls
        upper = np.append(inside[1:, 0], reference[0])
        return float(((upper - inside[:, 0]) * (reference[1] - inside[:, 1])).sum())
    return sum(_alone(inside[i], inside[i + 1 :], reference) for i in range(len(inside)))


def hypervolumes(points: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The hypervolume of the first, the first two, ... of `points`; NaN rows add nothing."""
    volumes, total = np.zeros(len(points)), 0.0
    kept = np.empty((0, points.shape[1]))
    for i, point in enumerate(points):
        if (point < reference).all() and not (kept <= point).all(axis=1).any():
            total += _alone(point, kept, reference)
            kept = np.vstack([kept[(kept < point).any(axis=1)], point])
        volumes[i] = total
    return volumes


def _alone(point: np.ndarray, others: np.ndarray, reference: np.ndarray) -> float:
    """The volume that `point` dominates and none of the `others` does."""
    volume = float(np.prod(reference - point))
    return volume - hypervolume(np.maximum(others, point), reference)
