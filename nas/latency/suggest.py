"""Which networks to measure: those whose latencies teach most about the others of a space.

Greedy optimal design. Devices are drawn from the prior; around each the model is linear, so what a
measurement leaves unknown of all networks follows from the networks alone. The one that leaves
least, in the mean over networks and devices, is taken next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi, sqrt
from typing import NamedTuple

import numpy as np

from nas.architecture import Architecture
from nas.latency.lowering.rows import network_kernels
from nas.latency.model.basis import GROUPS, KINDS, Vector
from nas.latency.model.design import Design
from nas.latency.model.posterior import LEVEL
from nas.latency.model.prior import Prior, shipped_prior
from nas.support.errors import NasError

POOL = 300  # networks of the space that are considered, and judged by
DEVICES = 6  # drawn from the prior
MOST = 100


class Suggestion(NamedTuple):
    """The networks, the most instructive first, and the mean relative error to be expected of other
    networks of the space once these are measured: of a typical device, noise left out."""

    networks: list[Architecture]
    error: float


def suggest(sample: Callable[[int], Architecture], count: int) -> Suggestion:
    """The `count` networks to measure of a space, of which `sample(seed)` is a random one.

    Errors: `NasError` for a count that is not 3 to 100, or a space that has fewer networks.
    """
    check_count(count)
    pool = list({arch.hash: arch for arch in map(sample, range(POOL))}.values())
    if len(pool) < count:
        raise NasError(f"suggest: the space has {len(pool)} networks; {count} are too many")
    design = Design.of([network_kernels(arch) for arch in pool])
    covariances = [_covariance(design, prior) for prior in _devices()]
    noise = float(np.exp(2 * shipped_prior().log_scales[-1]))
    chosen: list[int] = []
    for _ in range(count):
        gains = np.zeros(len(pool))
        for covariance in covariances:
            known = (covariance**2).sum(axis=0) / (np.diag(covariance) + noise)
            gains += known / np.trace(covariance)
        gains[chosen] = -1
        best = int(gains.argmax())
        chosen.append(best)
        for covariance in covariances:
            column = covariance[:, best].copy()
            covariance -= np.outer(column, column) / (column[best] + noise)
    left = [np.sqrt(np.maximum(np.diag(covariance), 0)).mean() for covariance in covariances]
    error = float(np.median(left)) * sqrt(2 / pi)
    return Suggestion([pool[i] for i in chosen], error)


def check_count(count: int) -> None:
    """Errors: `NasError` for a count that is not 3 to 100."""
    if not 3 <= count <= MOST:
        raise NasError(f"--suggest {count}: must be 3 to {MOST}")


def _devices() -> Sequence[Prior]:
    """The prior around a typical device and around others that are drawn from it."""
    prior = shipped_prior()
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_normal(prior.mean, prior.covariance, DEVICES - 1, method="cholesky")
    return [prior, *(prior._replace(mean=mean) for mean in drawn)]


def _covariance(design: Design, prior: Prior) -> Vector:
    """Of the networks' log latencies, around the device at the prior's mean."""
    size = len(KINDS)
    direction = prior.direction(design.names)
    state = design.state(np.exp(prior.mean[:size]), direction @ prior.mean[size:])
    common = np.hstack([state.by_price, state.by_correction @ direction])
    variances = np.exp(2 * prior.log_scales)
    own = np.array([variances[GROUPS.index(name.split(" ", 1)[0])] for name in design.names])
    covariance: Vector = common @ prior.covariance @ common.T + LEVEL
    covariance += (state.by_correction * own) @ state.by_correction.T
    return covariance
