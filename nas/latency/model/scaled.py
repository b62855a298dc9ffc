"""A measured target's predictor, scaled to another processor by a few networks that it has timed.

    kernel ms = base's ms * exp(factors · features of the kernel)

One factor is common, and free. The others are of an operation, its pixels and its channels, and are
kept near 0, so that fifteen networks are enough and more are used. The `STRENGTH` was chosen on two
processors (`docs/measuring.md`); predictions stay positive and additive.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from typing import Annotated, Any, NamedTuple, Protocol

import numpy as np
from pydantic import ConfigDict, Field

from nas.latency.lowering.kernels import Kernel
from nas.latency.model.basis import Vector
from nas.latency.model.traces import Trace
from nas.support.errors import NasError
from nas.support.validation import Settings, validated

OPERATIONS = ("depthwise", "conv", "pointwise", "grouped")  # others share one place
PLACES = 1 + 3 * (len(OPERATIONS) + 1)
STRENGTH = 0.1  # the prior's deviation of a factor
NOISE = 0.05  # of a log latency
STEPS = 15
FEWEST = 5  # networks
DIGITS = 6


Factor = Annotated[float, Field(gt=-20, lt=20, allow_inf_nan=False)]


class _Factors(Settings):
    """What `Scaled.facts` gives beside the base, as it is read again."""

    model_config = ConfigDict(strict=True)

    factors: Annotated[list[Factor], Field(min_length=PLACES, max_length=PLACES)]


class KernelPredictor(Protocol):
    """What a target predicts with and can be scaled; `facts` are its numbers as plain data."""

    @property
    def constant_ms(self) -> float: ...

    def kernels_ms(self, kernels: Sequence[Kernel]) -> list[float]: ...

    def trace(self, kernels: Sequence[Kernel]) -> Trace: ...

    def log_interval(self, trace: Trace, usual: float) -> float: ...

    def facts(self) -> dict[str, Any]: ...


class Timed(NamedTuple):
    """A network that was timed: its kernels by the base, in ms, with their features."""

    base_ms: Vector
    features: Vector
    constant_ms: float
    latency_ms: float


class Scaled(NamedTuple):
    """Predicts kernels: what the `base` says, times their factor."""

    base: KernelPredictor
    factors: tuple[float, ...]

    @property
    def constant_ms(self) -> float:
        """The latency of an empty network."""
        return self.base.constant_ms * exp(self.factors[0])

    def kernels_ms(self, kernels: Sequence[Kernel]) -> list[float]:
        """The latency of each kernel in ms, rounded as the base's are."""
        factors = np.exp(_features(kernels) @ np.array(self.factors)).tolist()
        pairs = zip(self.base.kernels_ms(kernels), factors, strict=True)
        return [float(f"{ms * factor:.{DIGITS}g}") for ms, factor in pairs]

    def trace(self, kernels: Sequence[Kernel]) -> Trace:
        """The latency of each kernel in ms."""
        return (np.array(self.kernels_ms(kernels)),)

    def log_interval(self, trace: Trace, usual: float) -> float:
        """The `usual` one: of the few networks its error was seen on, most are published ones."""
        return usual

    def facts(self) -> dict[str, Any]:
        """Its numbers, as plain data."""
        return {"base": self.base.facts(), "factors": list(self.factors)}


def read_factors(values: Any, source: str) -> tuple[float, ...]:
    """The factors of `Scaled.facts`. Errors: `NasError` with the rule that they break."""
    return tuple(validated(_Factors, {"factors": values}, source).factors)


def scale(base: KernelPredictor, networks: Sequence[Sequence[Kernel]], ms: Vector) -> Scaled:
    """The base, scaled to the latencies in ms of networks, each as its kernels.

    Errors: `NasError` for fewer than `FEWEST` networks.
    """
    return _scaled(base, _timed(base, networks, ms))


def left_out(base: KernelPredictor, networks: Sequence[Sequence[Kernel]], ms: Vector) -> Vector:
    """Log (predicted / measured) of each network by the scale of all others."""
    timed = _timed(base, networks, ms)
    logs = np.empty(len(timed))
    for i, one in enumerate(timed):
        factors = np.array(_scaled(base, timed[:i] + timed[i + 1 :]).factors)
        logs[i] = log(float(_parts(one, factors).sum()) / one.latency_ms)
    return logs


def _timed(base: KernelPredictor, networks: Sequence[Sequence[Kernel]], ms: Vector) -> list[Timed]:
    if len(networks) < FEWEST:
        raise NasError(f"{len(networks)} networks were timed; at least {FEWEST} are needed")
    constant = base.constant_ms
    return [
        Timed(np.array(base.kernels_ms(kernels)), _features(kernels), constant, float(one))
        for kernels, one in zip(networks, ms, strict=True)
    ]


def _scaled(base: KernelPredictor, timed: Sequence[Timed]) -> Scaled:
    """The factors that are likeliest, by Gauss-Newton steps; networks far off count for less."""
    logs = np.log([one.latency_ms for one in timed])
    precision = np.array([0.0] + [1 / STRENGTH**2] * (PLACES - 1))
    factors = np.zeros(PLACES)
    factors[0] = np.median(logs - np.log([one.base_ms.sum() + one.constant_ms for one in timed]))
    for _ in range(STEPS):
        parts = [_parts(one, factors) for one in timed]
        total = np.array([part.sum() for part in parts])
        rows = [part[1:] @ one.features for part, one in zip(parts, timed, strict=True)]
        slopes = np.array(rows) / total[:, None]
        slopes[:, 0] = 1.0
        off = logs - np.log(total)
        usual = max(1.4826 * float(np.median(np.abs(off))), 0.01)
        weighed = slopes.T / np.maximum(1.0, np.abs(off) / (2 * usual)) / NOISE**2
        factors += np.linalg.solve(
            weighed @ slopes + np.diag(precision), weighed @ off - precision * factors
        )
    return Scaled(base, tuple(float(f"{factor:.{DIGITS}g}") for factor in factors))


def _parts(one: Timed, factors: Vector) -> Vector:
    """The milliseconds of a network's constant and of its kernels."""
    kernels = one.base_ms * np.exp(one.features @ factors)
    return np.concatenate([[one.constant_ms * exp(factors[0])], kernels])


def _features(kernels: Sequence[Kernel]) -> Vector:
    """A row a kernel: 1, then of its operation 1 and half the logarithms of width and channels."""
    rows = np.zeros((len(kernels), PLACES))
    rows[:, 0] = 1.0
    for row, kernel in zip(rows, kernels, strict=True):
        op = kernel.op
        at = 1 + 3 * (OPERATIONS.index(op) if op in OPERATIONS else len(OPERATIONS))
        pixels = max(kernel.output[1] * kernel.output[2], 1)
        row[at : at + 3] = 1.0, (log(pixels) / 2 - 3) / 2, (log(kernel.inputs[0][0]) - 4) / 2
    return rows
