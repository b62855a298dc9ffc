"""The predictor of a calibrated target: prices, corrections, and how sure each prediction is.

What a target's YAML keeps of the posterior: the prices as `weights`, the rest as one line of JSON,
`fit`, which is of no use without the prior that it was made with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import exp, log, sqrt
from typing import Any, NamedTuple

import numpy as np

from nas.latency.lowering.kernels import Kernel
from nas.latency.model.basis import (
    CORRECTED,
    DONE_BY,
    GROUPS,
    KINDS,
    Additive,
    Vector,
    amounts,
    corrected_by,
)
from nas.latency.model.design import CLIP
from nas.latency.model.error import CERTAIN
from nas.latency.model.posterior import Posterior
from nas.latency.model.prior import Prior, shipped_prior
from nas.latency.model.traces import Trace
from nas.support.errors import NasError

DOUBT = 2.0  # times the posterior's variance: devices differ more than a normal prior says
UNTOLD = 2.01  # times the usual interval's log, at least: an operation is in no fitted network
STRANGE = 4.0  # as a factor: few networks, with a wider usual interval, hold unseen sizes as it is
SIMPLE = (("add",), ("norm",))  # operations that cost what moving their elements does
ALONE = ("relu6_traffic", "smooth_traffic")  # activations, of which others of a kind tell nothing
UNSEEN = 0.3  # least standard deviation of a correction that the fitted networks say nothing of
RANK = 64  # statements of the latencies that are kept, the strongest
DIGITS = 6  # of a number; of the reduction, which has most of them, one less


class Origins(NamedTuple):
    """Where the milliseconds of kernels come from, a row a kernel: `ms` of each price, and the
    numbers of its corrections, in the order of `CORRECTED` and 0 where it has none."""

    ms: Vector
    by_price: Vector
    at: Any


class Calibrated:
    """Predicts kernels by prices and corrections, and how far a network's latency may be off."""

    def __init__(self, posterior: Posterior, prior: Prior, widening: float) -> None:
        """`widening` is what the errors of networks that were left out are, nine times out of ten,
        at most, in the standard deviations that were predicted for them."""
        self.posterior, self.widening, self._prior = posterior, widening, prior
        self._prices = np.exp(posterior.log_prices)
        self._additive = Additive(dict(zip(KINDS, self._prices.tolist(), strict=True)))
        names = [*posterior.names, *(n for n in prior.directions if n not in posterior.names)]
        self._index = {name: i for i, name in enumerate(names, 1)}
        self._fitted = len(posterior.names)
        self._seen = {*posterior.names, *posterior.slight}
        self._direction = prior.direction(tuple(names))
        corrections = self._direction @ posterior.strengths
        corrections[: self._fitted] += posterior.own
        self._corrections = np.concatenate([[0.0], corrections, [0.0]])  # the last of all new names
        self._variances = [0.0, *map(self._variance_of, names)]  # by number
        told = {*SIMPLE, *(DONE_BY[KINDS[i]] for i in np.flatnonzero(posterior.shares))}
        self._untold = np.array(
            [
                not share if kind in ALONE else DONE_BY[kind] not in told
                for kind, share in zip(KINDS, posterior.shares, strict=True)
            ]
        )
        self._told_kernels = set(map(_kernel_of, self._seen))
        self._strange = [False, *map(self._is_strange, names)]  # by number
        self._axes = self._axes_of_prices()
        self._far = np.exp(CERTAIN * np.hstack([self._axes, -self._axes]))
        self._fitted_far = np.log(posterior.shares @ self._far)

    @property
    def constant_ms(self) -> float:
        """The latency of an empty network."""
        return self._additive.constant_ms

    def kernels_ms(self, kernels: Sequence[Kernel]) -> list[float]:
        """The latency of each kernel in ms."""
        ms: list[float] = self.trace(kernels).ms.tolist()
        return ms

    def trace(self, kernels: Sequence[Kernel]) -> Origins:
        """Where the milliseconds of kernels come from."""
        numbers = [self._numbers(kernel) for kernel in kernels]
        at = np.array(numbers, np.intp).reshape(-1, len(CORRECTED))
        logs = self._corrections.take(at, mode="clip").sum(1)
        factors = np.exp(np.clip(logs, -CLIP, CLIP))
        by_price = amounts(kernels) * self._prices * factors[:, None]
        return Origins(by_price.sum(1), by_price, at)

    def log_interval(self, trace: Trace, usual: float = 0.0) -> float:
        """How far the log latency of the network of these kernels may be off, nine times out of
        ten: the posterior's standard deviation, widened. Nothing tells what an operation costs that
        no fitted network has, so that of those that have it is `UNTOLD` times the `usual` at least;
        and little what a size of kernel does, for which that is up to a factor of `STRANGE`.
        """
        interval = self.widening * self.deviation(trace)
        _, by_price, at = trace
        if by_price[:, self._untold].any():
            return max(interval, UNTOLD * usual)
        kernels = set(at[:, CORRECTED.index("kernel")].tolist())
        strange = any(self._strange[i] for i in kernels)
        return max(interval, min(UNTOLD * usual, log(STRANGE))) if strange else interval

    def deviation(self, trace: Trace) -> float:
        """The standard deviation of the log latency of the network of these kernels."""
        ms, each_price, at = trace
        by_price = each_price.sum(0)
        by_price[0] += self.constant_ms
        total = by_price.sum()
        shares = ms / total
        each, size = np.repeat(shares, len(CORRECTED)), len(self._direction)
        by_correction = np.bincount(at.ravel(), each, minlength=1 + size)
        by_correction[0] = 0.0
        known = by_correction[1 : 1 + size]
        common = np.concatenate([by_price / total, known @ self._direction])
        felt = np.flatnonzero(by_correction > 0)
        variances = np.array([self._variances[i] for i in felt.tolist()])
        # Sorted: in whatever order the corrections came to be known, it is the same.
        own = np.sort(np.square(by_correction[felt]) * variances).sum()
        variance = common @ self._prior.covariance @ common + own
        row = np.concatenate([common, known[: self._fitted]])
        posterior = self.posterior
        reduced = posterior.reduction @ row
        variance -= reduced @ reduced
        variance += (1 - posterior.level_row @ row) ** 2 / posterior.level_precision
        curved = self._curved(common[: len(KINDS)])
        noise = exp(2 * float(posterior.log_scales[-1]))
        return sqrt(max(DOUBT * float(variance), curved) + noise)

    def _curved(self, shares: Vector) -> float:
        """The variance of log latency that prices may have far away, by the share of each kind of
        work in the latency.

        The log of a sum is not linear in the logs of prices: what is a small part, but may be many
        times as large, counts for more than its share. So the latency is also computed as far away
        as an interval reaches, both ways along each axis of the prices' uncertainty (an unscented
        transform, Julier and Uhlmann 1997). What the fitted networks might change there as well
        does not count: their latencies are known.
        """
        far = np.maximum(np.log(shares @ self._far) - self._fitted_far, 0.0) / CERTAIN
        return float(far @ far / 2)

    def facts(self) -> dict[str, Any]:
        """Its numbers, as plain data."""
        return {"weights": self.weights, **self._fit()}

    def _fit(self) -> dict[str, Any]:
        posterior = self.posterior
        return {
            "prior": self._prior.stamp,
            "spread": _short(self._prior.spread),
            "widening": _short(self.widening),
            "strengths": _shorts(posterior.strengths),
            "names": list(posterior.names),
            "slight": list(posterior.slight),
            "own": _shorts(posterior.own),
            "log_scales": _shorts(posterior.log_scales),
            "evidence": _short(posterior.evidence),
            "reduction": [_shorts(row, DIGITS - 1) for row in _strongest(posterior.reduction)],
            "level_row": _shorts(posterior.level_row),
            "level_precision": _short(posterior.level_precision),
            "shares": _shorts(posterior.shares, DIGITS - 1),
        }

    @property
    def weights(self) -> dict[str, float]:
        """The price of each kind of work."""
        return {kind: _short(price) for kind, price in self._additive.weights.items()}

    def to_json(self) -> str:
        """What a target's YAML keeps beside the prices."""
        return json.dumps(self._fit(), separators=(", ", ":"))

    @classmethod
    def from_json(cls, text: str, weights: Mapping[str, float]) -> Calibrated:
        """What `to_json` and `weights` said. Errors: `NasError` where another prior made it."""
        prior = shipped_prior()
        try:
            facts = json.loads(text)
            if facts["prior"] != prior.stamp:
                raise NasError("fit: made with the prior of another version; calibrate it anew")
            posterior = Posterior(
                np.log([weights[kind] for kind in KINDS]),
                np.array(facts["strengths"]),
                tuple(facts["names"]),
                np.array(facts["own"]),
                np.array(facts["log_scales"]),
                facts["evidence"],
                np.array(facts["reduction"]),
                np.array(facts["level_row"]),
                facts["level_precision"],
                np.array(facts["shares"]),
                tuple(facts["slight"]),
            )
            if len(set(posterior.names)) != len(posterior.own):
                raise ValueError("a number for each name")
            return cls(posterior, prior.narrowed(float(facts["spread"])), float(facts["widening"]))
        except NasError:
            raise
        except (ValueError, LookupError, TypeError):
            raise NasError("fit: damaged, or of another version; calibrate it anew") from None

    def _axes_of_prices(self) -> Vector:
        """A column for each axis of the uncertainty of log prices, one standard deviation long."""
        posterior, size = self.posterior, len(KINDS)
        seen, unseen = posterior.reduction[:, :size], 1 - posterior.level_row[:size]
        covariance = self._prior.covariance[:size, :size] - seen.T @ seen
        covariance += np.outer(unseen, unseen) / posterior.level_precision
        values, columns = np.linalg.eigh(DOUBT * covariance)
        axes: Vector = columns * np.sqrt(np.maximum(values, 0.0))
        return axes

    def _numbers(self, kernel: Kernel) -> list[int]:
        """The numbers of a kernel's corrections; new ones are added, without effect."""
        numbers = []
        for name in corrected_by(kernel):
            if name not in self._index:
                self._index[name] = 1 + len(self._index)
                self._variances.append(self._variance_of(name))
                self._strange.append(self._is_strange(name))
            numbers.append(self._index[name])
        return numbers + [0] * (len(CORRECTED) - len(numbers))

    def _is_strange(self, name: str) -> bool:
        """Whether it corrects a convolution of an operation and size that no fitted network has."""
        return name.startswith("kernel ") and _kernel_of(name) not in self._told_kernels

    def _variance_of(self, name: str) -> float:
        """The prior's variance of a correction. How far those of the fitted networks go says little
        of others, so these are taken to go far."""
        scale = exp(self.posterior.log_scales[GROUPS.index(name.split(" ", 1)[0])])
        return scale**2 if name in self._seen else max(scale, UNSEEN) ** 2


def _kernel_of(name: str) -> str:
    """The operation and size in the name of a kernel's correction: all but the stride."""
    return name.rpartition(" ")[0]


def _strongest(reduction: Vector) -> Vector:
    """A matrix of at most `RANK` rows with nearly the same square."""
    if len(reduction) <= RANK:
        return reduction
    _, values, rows = np.linalg.svd(reduction, full_matrices=False)
    kept: Vector = values[:RANK, None] * rows[:RANK]
    return kept


def _short(value: float, digits: int = DIGITS) -> float:
    return float(f"{value:.{digits}g}")


def _shorts(values: Vector, digits: int = DIGITS) -> list[float]:
    return [_short(value, digits) for value in values.tolist()]
