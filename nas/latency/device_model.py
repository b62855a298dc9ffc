"""The analytic device model: what a kernel costs, from a dozen positive coefficients.

    kernel ms = sqrt((macs / rate)^2 + (bytes / bandwidth)^2) + launch

Which rate, bandwidth and launch cost apply depends on the kernel's operation. A network takes a
constant plus the sum of its kernels. The form is a roofline with a rounded corner; positive
coefficients keep it monotone: more work is never faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nas.latency.kernels import Kernel

Vector = npt.NDArray[np.float64]
Coefficients = Mapping[str, float]

# Times in ms, rates in GMAC/s, bandwidths in GB/s.
NAMES = (
    "constant",
    "launch",
    "copy_launch",
    "conv_rate",
    "pointwise_rate",
    "depthwise_rate",
    "grouped_rate",
    "linear_rate",
    "bandwidth",
    "depthwise_bandwidth",
    "linear_bandwidth",
    "copy_bandwidth",
)
BYTES = {"fp32": 4, "fp16": 2, "int8": 1}


class Terms(NamedTuple):
    """The coefficients of one operation. `rate` is None where it computes nothing that counts."""

    rate: str | None
    bandwidth: str
    launch: str


_COPY = Terms(None, "copy_bandwidth", "copy_launch")
TERMS: dict[str, Terms] = {
    "conv": Terms("conv_rate", "bandwidth", "launch"),
    "pointwise": Terms("pointwise_rate", "bandwidth", "launch"),
    "depthwise": Terms("depthwise_rate", "depthwise_bandwidth", "launch"),
    "grouped": Terms("grouped_rate", "bandwidth", "launch"),
    "linear": Terms("linear_rate", "linear_bandwidth", "launch"),
    "concat": _COPY,
    "slice": _COPY,
    "shuffle": _COPY,
}
_ELEMENTWISE = Terms(None, "copy_bandwidth", "launch")


def terms(op: str) -> Terms:
    """The coefficients that apply to an operation."""
    return TERMS.get(op, _ELEMENTWISE)


def launches(kernel: Kernel) -> int:
    """How often the device is set to work: a concatenation copies its inputs one by one."""
    return len(kernel.inputs) if kernel.op == "concat" else 1


def kernel_ms(kernel: Kernel, coefficients: Coefficients, value_bytes: int) -> float:
    """The latency in ms of one kernel; `value_bytes` is the size of a number."""
    rate, bandwidth, launch = terms(kernel.op)
    compute = kernel.macs / coefficients[rate] if rate else 0.0
    memory = kernel.moved * value_bytes / coefficients[bandwidth]
    roofline = (compute * compute + memory * memory) ** 0.5 * 1e-6
    return float(roofline + coefficients[launch] * launches(kernel))


class Sample(NamedTuple):
    """Something measured: the kernels that ran and the latency of them all, in ms."""

    kernels: tuple[Kernel, ...]
    latency_ms: float


class Work:
    """The kernels of many samples as arrays, so that all are costed at once.

    `owner[k]` is the sample of kernel k, and `kernels[k]` the kernel.
    """

    def __init__(self, samples: Sequence[Sample], value_bytes: int) -> None:
        self.kernels = [k for s in samples for k in s.kernels]
        self.count = len(samples)
        self.owner = np.repeat(np.arange(self.count), [len(s.kernels) for s in samples])
        self.log_ms = np.log([s.latency_ms for s in samples])
        index = {name: i for i, name in enumerate(NAMES)}
        used = [terms(k.op) for k in self.kernels]
        # Kernels without a rate compute nothing: any index does, as their macs are 0.
        self._rate = np.array([index[t.rate] if t.rate else 0 for t in used], np.intp)
        self._bandwidth = np.array([index[t.bandwidth] for t in used], np.intp)
        self._launch = np.array([index[t.launch] for t in used], np.intp)
        self._macs = np.array([k.macs * 1e-6 if terms(k.op).rate else 0.0 for k in self.kernels])
        self._bytes = np.array([k.moved * value_bytes * 1e-6 for k in self.kernels], np.float64)
        self._launches = np.array([launches(k) for k in self.kernels], np.float64)

    def kernels_ms(self, values: Vector) -> Vector:
        """The latency in ms of every kernel under coefficients in the order of `NAMES`."""
        compute, memory, launch = self._parts(values)
        ms: Vector = np.hypot(compute, memory) + launch
        return ms

    def samples_ms(self, kernels_ms: Vector, constant: float) -> Vector:
        """The latency in ms of every sample."""
        ms = np.bincount(self.owner, kernels_ms, self.count) + constant
        return ms.astype(np.float64)

    def gradient(self, values: Vector) -> Vector:
        """The derivative of every sample's ms by the log of every coefficient."""
        compute, memory, launch = self._parts(values)
        roofline = np.hypot(compute, memory)
        sums = [
            np.bincount(self.owner * len(NAMES) + index, part, self.count * len(NAMES))
            for index, part in (
                (self._rate, -compute * compute / roofline),
                (self._bandwidth, -memory * memory / roofline),
                (self._launch, launch),
            )
        ]
        found: Vector = np.sum(sums, axis=0).reshape(self.count, len(NAMES))
        found[:, 0] += values[0]
        return found

    def _parts(self, values: Vector) -> tuple[Vector, Vector, Vector]:
        """The ms of computing, of moving data and of launching, by kernel."""
        compute, memory = self._macs / values[self._rate], self._bytes / values[self._bandwidth]
        return compute, memory, values[self._launch] * self._launches


def fit(
    samples: Sequence[Sample], value_bytes: int, prior: Coefficients, strength: float = 0.1
) -> dict[str, float]:
    """The coefficients that fit best, in log latency and ridged in log towards `prior`.

    `strength` is the relative error of a prediction that weighs as much as a coefficient e times
    its prior. What the samples say nothing about stays at the prior.
    """
    from scipy.optimize import least_squares

    work = Work(samples, value_bytes)
    start = np.log([prior[name] for name in NAMES])

    def total_ms(values: Vector) -> Vector:
        return work.samples_ms(work.kernels_ms(values), float(values[0]))

    def residuals(logs: Vector) -> Vector:
        off = np.log(total_ms(np.exp(logs))) - work.log_ms
        return np.concatenate([off, strength * (logs - start)])

    def jacobian(logs: Vector) -> Vector:
        values = np.exp(logs)
        relative = work.gradient(values) / total_ms(values)[:, None]
        return np.vstack([relative, strength * np.eye(len(logs))])

    solution = least_squares(residuals, start, jacobian, loss="soft_l1", f_scale=0.2)
    return dict(zip(NAMES, np.exp(solution.x).tolist(), strict=True))


def sample_ms(sample: Sample, coefficients: Coefficients, value_bytes: int) -> float:
    """The predicted latency of a sample in ms."""
    kernels = (kernel_ms(k, coefficients, value_bytes) for k in sample.kernels)
    return coefficients["constant"] + sum(kernels)


def cross_validate(
    samples: Sequence[Sample],
    groups: Sequence[str],
    value_bytes: int,
    prior: Coefficients,
    strength: float = 0.1,
) -> Vector:
    """Log (predicted / measured) of every sample, by a fit without the samples of its group."""
    errors = np.empty(len(samples))
    for group in set(groups):
        rest = [s for s, g in zip(samples, groups, strict=True) if g != group]
        fitted = fit(rest, value_bytes, prior, strength)
        for i, (sample, g) in enumerate(zip(samples, groups, strict=True)):
            if g == group:
                predicted = sample_ms(sample, fitted, value_bytes)
                errors[i] = np.log(predicted / sample.latency_ms)
    return errors
