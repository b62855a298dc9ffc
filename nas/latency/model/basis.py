"""What the latency of a kernel on any device is made of: a few amounts of work, each with a price.

    kernel ms = sum over kinds of work of (weight * amount of that work in the kernel)

Weights are positive, so more work is never faster, and the sum is linear in them: a handful of
whole networks determines them, with `SCALES` as the prior. The kinds cover what was seen to matter
on GPUs with small and large batches, CPUs, phones, FPGAs and ASICs: launches of fused kernels or of
every operation by itself, traffic likewise, weights, multiply-adds, and their square root: large
kernels run at a better rate than small ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod, sqrt
from typing import Any

from nas.latency.lowering.kernels import Kernel

CONSTANT = "constant"
CONVOLUTIONS = ("conv", "pointwise", "depthwise", "grouped")
DENSE = ("conv", "pointwise", "grouped")
COUNTED = ("activate", "add", "shuffle", "zero")
LANES = 32
CACHED = 500_000  # elements, 2 MB of floats: beyond that no small device's cache holds them
UNIT = 1e-6  # amounts are in millions of elements and of multiply-adds, launches as they are

# The standard deviation of each kind's share of a network's latency, before anything is measured.
# The same for every device; how they were chosen is in docs/latency.md.
SCALES: dict[str, float] = {
    CONSTANT: 0.1,
    "launch": 1.2,
    "eager_launch": 1.2,
    "traffic": 0.4,
    "eager_traffic": 0.4,
    "weights": 0.2,
    **{f"{op}_traffic": 0.05 for op in DENSE},
    **{f"{op}_macs": 0.12 for op in DENSE},
    **{f"{op}_root_macs": 0.2 for op in CONVOLUTIONS},
    "dense_small_macs": 0.25,
    "pointwise_cached_macs": 0.02,
    "pointwise_cached_weights": 0.15,
    "depthwise_traffic": 0.1,
    "depthwise_macs": 0.5,
    "depthwise_cached_macs": 0.01,
    "depthwise_padded_macs": 1.0,
    "linear_launch": 0.12,
    "linear_macs": 0.12,
    "other_launch": 1.0,
    "other_traffic": 0.06,
    "concat_launch": 0.12,
    "pool_traffic": 0.12,
    **{f"{op}_launch": 0.12 for op in COUNTED},
    "fused_act": 0.03,
    "fused_add": 0.03,
}


@lru_cache(maxsize=1 << 16)
def work(kernel: Kernel) -> dict[str, float]:
    """The amount of each kind of work in a kernel, those that it has none of left out."""
    op, macs, weights = kernel.op, kernel.macs, kernel.weights
    read, written = sum(map(prod, kernel.inputs)), prod(kernel.output)
    traffic = read + written * (1 + kernel.residual)
    computes = op in CONVOLUTIONS or op == "linear"
    fused = computes and kernel.act is not None
    # Executed operation by operation, a convolution is followed by its norm, activation and sum.
    norm = op in CONVOLUTIONS
    times = max(len(kernel.inputs) - 1, 1) if op in ("add", "concat") else 1
    found = {
        "launch": 1.0,
        "eager_launch": times + norm + fused + kernel.residual,
        "traffic": UNIT * (traffic + weights),
        "eager_traffic": UNIT * (read + written * (1 + 2 * norm + 2 * fused + 3 * kernel.residual)),
        "weights": UNIT * weights,
        "fused_act": float(fused),
        "fused_add": float(kernel.residual),
    }
    if op in CONVOLUTIONS:
        found |= {
            f"{op}_traffic": UNIT * traffic,
            f"{op}_macs": UNIT * macs,
            f"{op}_root_macs": sqrt(UNIT * macs),
        }
    positions = kernel.output[1] * kernel.output[2]
    if op in DENSE:
        found["dense_small_macs"] = UNIT * macs / sqrt(positions) / prod(kernel.size)
    if op in ("pointwise", "depthwise"):  # what no longer fits a cache costs more
        found[f"{op}_cached_macs"] = UNIT * macs * sqrt(UNIT * min(traffic, CACHED))
    if op == "pointwise":
        found["pointwise_cached_weights"] = UNIT * weights * sqrt(UNIT * min(weights, CACHED))
    elif op == "depthwise":
        padded = -(-kernel.output[0] // LANES) * LANES
        found["depthwise_padded_macs"] = UNIT * padded * prod(kernel.size) * positions
    elif op == "linear":
        found |= {"linear_launch": 1.0, "linear_macs": UNIT * macs}
    elif not computes:
        found |= {"other_launch": 1.0, "other_traffic": UNIT * traffic}
        if op in COUNTED:
            found[f"{op}_launch"] = 1.0
        elif op == "concat":
            found["concat_launch"] = float(times)
        elif op in ("maxpool", "avgpool"):
            found["pool_traffic"] = UNIT * traffic
    return {name: amount for name, amount in found.items() if amount}


class Additive:
    """Predicts kernels from `weights`: ms for each amount of work, and the `constant` in ms."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = weights

    @property
    def constant_ms(self) -> float:
        """The latency of an empty network."""
        return self.weights.get(CONSTANT, 0.0)

    def kernel_ms(self, kernel: Kernel) -> float:
        """The latency of one kernel in ms."""
        weights = self.weights
        return sum(weights.get(kind, 0.0) * amount for kind, amount in work(kernel).items())

    def kernels_ms(self, kernels: Sequence[Kernel]) -> list[float]:
        """The latency of each kernel in ms."""
        return [self.kernel_ms(kernel) for kernel in kernels]

    def facts(self) -> dict[str, Any]:
        """Its numbers, as plain data."""
        return {"weights": dict(self.weights)}
