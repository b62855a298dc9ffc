"""From whole-network latencies to prices of work: a positive linear fit with a prior.

    latency = sum of (weight * amount of work),  weight * typical amount / latency ~ N(0, scale^2)

How noisy the latencies are, and which known device is worth starting from, is not chosen: every
hypothesis is fitted and counts by its evidence, the probability that it gave to the latencies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nas.latency.lowering.kernels import Kernel
from nas.latency.model.basis import CONSTANT, SCALES, work

Vector = npt.NDArray[np.float64]

KINDS = tuple(SCALES)
NOISE = 10.0 ** np.arange(-3, -0.4, 0.25)  # relative errors of a latency that are considered
BASE_SCALE = 1.0  # the standard deviation of a known device's share, as in `SCALES`
DOUBT = 3.0  # how much more evidence, as a logarithm, it takes to believe in a base than in none
FAR = 0.4  # times `SCALES`: how much a device may do that its base does not
NEAR = 0.02  # likewise, where the base was not guessed but given
IGNORED = 0.02  # hypotheses less likely than that are left out
OUTLIER = 3.0  # robust standard deviations beyond which a latency counts less
PASSES = 2  # the second one knows the outliers of the first
NONE = ""  # the hypothesis that the device resembles no known one

Bases = Mapping[str, Vector]


class Fit(NamedTuple):
    """A weight for each of `KINDS`, and how likely each base is to be a good start."""

    weights: Vector
    belief: dict[str, float]


def amounts(networks: Sequence[Sequence[Kernel]]) -> Vector:
    """The amount of each of `KINDS` in each network."""
    index = {name: i for i, name in enumerate(KINDS)}
    found: Vector = np.zeros((len(networks), len(KINDS)))
    found[:, index[CONSTANT]] = 1.0
    for row, kernels in zip(found, networks, strict=True):
        for kernel in kernels:
            for name, amount in work(kernel).items():
                row[index[name]] += amount
    return found


def fit_weights(work_done: Vector, latency_ms: Vector, bases: Bases | None = None) -> Fit:
    """The posterior weights given the `amounts` of networks and their latencies.

    `bases` are the weights of known devices; the new one may be a multiple of one of them plus
    work of its own. The empty name stands for a device that resembles none; it is the only
    hypothesis where no bases are given.
    """
    relative = work_done / latency_ms[:, None]
    hypotheses = dict(bases) if bases else {NONE: np.zeros(len(KINDS))}
    besides = (FAR,) if NONE in hypotheses else (NEAR, FAR)
    columns = {
        (name, own): _columns(relative, base, own)
        for name, base in hypotheses.items()
        for own in ((1.0,) if name == NONE else besides)
    }
    trust = np.ones(len(latency_ms))
    fit = Fit(np.zeros(len(KINDS)), {})
    for _ in range(PASSES):
        fit = _average(columns, np.sqrt(trust))
        off = np.abs(relative @ fit.weights - 1)
        spread = max(1.4826 * float(np.median(off)), 1e-4)
        trust = np.minimum(1, OUTLIER * spread / np.maximum(off, 1e-12))
    return fit


def leave_out(
    work_done: Vector, latency_ms: Vector, groups: Sequence[str], bases: Bases | None = None
) -> Vector:
    """Log (predicted / measured) of every network by a fit without the networks of its group.

    The noise and the base are chosen anew in every fold, so the error is not flattered by them.
    """
    labels = np.array(groups)
    logs: Vector = np.empty(len(latency_ms))
    for group in dict.fromkeys(groups):
        out = labels == group
        weights = fit_weights(work_done[~out], latency_ms[~out], bases).weights
        logs[out] = np.log(np.maximum(work_done[out] @ weights, 1e-12) / latency_ms[out])
    return logs


def named(weights: Vector) -> dict[str, float]:
    """The positive weights by kind, as they are stored."""
    return {k: float(f"{w:.6g}") for k, w in zip(KINDS, weights, strict=True) if w > 0}


class _Columns(NamedTuple):
    """A hypothesis in shares: `shares` (networks x columns) of the latency under typical weights,
    which are `prices` (columns x kinds)."""

    shares: Vector
    prices: Vector


def _columns(relative: Vector, base: Vector, own: float) -> _Columns:
    """The kinds of work that the networks have, at `own` times their scale, and the base as one
    more kind."""
    scales = np.array([*(own * scale for scale in SCALES.values()), BASE_SCALE])
    directions = np.vstack([np.eye(len(KINDS)), base])
    per_price = relative @ directions.T
    having = (per_price > 0).sum(axis=0)
    kept = having > 0
    typical = per_price[:, kept].sum(axis=0) / having[kept]  # of the networks that have it
    size = scales[kept] / typical
    return _Columns(per_price[:, kept] * size, directions[kept] * size[:, None])


def _average(columns: Mapping[tuple[str, float], _Columns], trust: Vector) -> Fit:
    """The mean of the positive fits under each noise and base, weighted by their evidence."""
    evidence = {}
    careful = any(name == NONE for name, _ in columns)
    for key, hypothesis in columns.items():
        doubt = DOUBT if careful and key[0] != NONE else 0.0
        shares = hypothesis.shares * trust[:, None]
        values, vectors = np.linalg.eigh(shares @ shares.T)
        power = (vectors.T @ trust) ** 2
        for noise in NOISE:
            variance = np.maximum(values, 0) + noise**2
            log = -0.5 * float((power / variance).sum() + np.log(variance).sum())
            evidence[key, float(noise)] = log - doubt
    best = max(evidence.values())
    likely = {at: float(np.exp(log - best)) for at, log in evidence.items()}
    total = sum(likely.values())
    likely = {at: p for at, p in likely.items() if p >= IGNORED * total}
    total = sum(likely.values())
    weights: Vector = np.zeros(len(KINDS))
    belief = dict.fromkeys((name for name, _ in columns), 0.0)
    for (key, noise), p in likely.items():
        shares, prices = columns[key]
        weights += p / total * (_positive(shares * trust[:, None], trust, noise) @ prices)
        belief[key[0]] += p / total
    return Fit(weights, belief)


def _positive(shares: Vector, target: Vector, noise: float) -> Vector:
    """The most likely non-negative coefficients of unit variance for latencies with this noise."""
    from scipy.optimize import nnls

    count = shares.shape[1]
    stacked = np.vstack([shares, noise * np.eye(count)])
    found, _ = nnls(stacked, np.concatenate([target, np.zeros(count)]), maxiter=100 * count)
    return np.asarray(found, np.float64)
