"""What the latency of a kernel on any device is made of: amounts of work, each with a price.

    kernel ms = correction * sum over kinds of work of (price * amount of that work in the kernel)

Prices are positive, so more work is never faster. Kinds that all kernels share (launches, traffic,
multiply-adds) stand beside those of single operations, so that what is hardly known of one
operation is known from the others. They cover what was seen to matter on GPUs with small and large
batches, CPUs, phones, FPGAs and ASICs: launches of fused kernels or of every operation by itself,
traffic likewise, weights, multiply-adds, their square root (large kernels run at a better rate),
vectors and arrays of multipliers that are padded, and the gates that stop a pipeline.

A correction is named by what it is shared by: the kernels of one operation and output size, kernel
size, number of channels. What the prices cannot tell is learned from them where there are networks
enough; see `nas.latency.model.posterior`.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod, sqrt

import numpy as np
import numpy.typing as npt

from nas.latency.lowering.kernels import Kernel

Vector = npt.NDArray[np.float64]

CONSTANT = "constant"
CONVOLUTIONS = ("conv", "pointwise", "depthwise", "grouped")
COPIES = ("concat", "slice", "shuffle", "swap", "zero", "split")
ARRAYS = (16, 64, 128)  # lanes of an array of multipliers, both ways
VECTORS = (32, 128)  # lanes of a depthwise convolution
UNIT = 1e-6  # amounts are in millions of elements and of multiply-adds, launches as they are

KINDS = (
    CONSTANT,
    *("launch", "eager_launch", "traffic", "eager_traffic", "macs"),  # of every kernel
    *("gate_launch", "gate_weights", "weights"),
    *("conv3_macs", "convk_macs", "pointwise_macs", "grouped_macs", "depthwise3_macs"),
    *("depthwisek_macs", "conv_root", "pointwise_root", "grouped_root", "depthwise_root"),
    *("conv_read", "conv_written", "strided_macs", "depthwise_strided_macs", "small_macs"),
    *(f"array{lanes}_macs" for lanes in ARRAYS),
    *("depthwise_launch", "depthwise_traffic"),
    *(f"vector{lanes}_macs" for lanes in VECTORS),
    *("grouped_launch", "linear_launch", "linear_macs", "other_launch", "other_traffic"),
    *("pool_traffic", "pool_work", "gap_launch", "gap_traffic"),
    *("multiply_launch", "multiply_traffic", "activate_traffic", "activate_launch"),
    *("relu6_traffic", "smooth_traffic", "add_traffic", "norm_traffic"),
    *("copy_traffic", "copy_launch"),
)
_AT = {kind: i for i, kind in enumerate(KINDS)}
GROUPS = ("area", "kernel", "in", "out", "size")  # of corrections


def operation(kernel: Kernel) -> str:
    """The operation that a correction belongs to: a gate's convolutions are on their own."""
    if kernel.op in CONVOLUTIONS and kernel.output[1:] == (1, 1):
        return "gate"
    return kernel.op


@lru_cache(maxsize=1 << 16)
def work(kernel: Kernel) -> dict[str, float]:
    """The amount of each kind of work in a kernel, those that it has none of left out."""
    op = kernel.op
    read, written = sum(map(prod, kernel.inputs)), prod(kernel.output)
    moved = read + written * (1 + kernel.residual)
    convolves = op in CONVOLUTIONS
    fused = (convolves or op == "linear") and kernel.act is not None
    times = max(len(kernel.inputs) - 1, 1) if op in ("add", "concat") else 1
    amount_of = {
        "launch": 1.0,
        "traffic": UNIT * (moved + kernel.weights),
        # Executed operation by operation, a convolution is followed by its norm, activation, sum.
        "eager_launch": times + convolves + fused + kernel.residual,
        "eager_traffic": UNIT
        * (read + written * (1 + 2 * convolves + 2 * fused + 3 * kernel.residual)),
        "weights": UNIT * kernel.weights,
    }
    if (convolves and op != "depthwise") or op == "linear":
        amount_of["macs"] = UNIT * kernel.macs
    if operation(kernel) == "gate":
        amount_of |= {"gate_launch": 1.0, "gate_weights": UNIT * kernel.weights}
    elif convolves:
        amount_of |= _convolution(kernel, read, written)
    elif op == "linear":
        amount_of |= {"linear_launch": 1.0, "linear_macs": UNIT * kernel.macs}
    else:
        amount_of |= {"other_launch": 1.0, "other_traffic": UNIT * moved}
        amount_of |= _other(kernel, UNIT * moved, UNIT * read, times)
    return {name: amount for name, amount in amount_of.items() if amount}


def _convolution(kernel: Kernel, read: int, written: int) -> dict[str, float]:
    op, macs = kernel.op, UNIT * kernel.macs
    height, width = kernel.output[1:]
    name = f"{op}{'3' if kernel.size == (3, 3) else 'k'}" if op in ("conv", "depthwise") else op
    amount_of = {
        f"{name}_macs": macs,
        f"{op}_root": sqrt(macs),
        "conv_read": UNIT * read,
        "conv_written": UNIT * written * (1 + kernel.residual),
        "relu6_traffic": UNIT * written * (kernel.act == "relu6"),
    }
    positions = UNIT * height * width * prod(kernel.size)
    if op == "depthwise":
        amount_of |= {"depthwise_launch": 1.0, "depthwise_traffic": UNIT * (read + written)}
        amount_of["depthwise_strided_macs"] = macs * (kernel.stride > 1)
        for lanes in VECTORS:
            amount_of[f"vector{lanes}_macs"] = positions * _padded(kernel.output[0], lanes)
        return amount_of
    amount_of["strided_macs"] = macs * (kernel.stride > 1)
    amount_of["small_macs"] = macs / sqrt(height * width)
    amount_of["grouped_launch"] = float(kernel.groups) * (op == "grouped")
    each_in, each_out = kernel.inputs[0][0] // kernel.groups, kernel.output[0] // kernel.groups
    for lanes in ARRAYS:
        padded = _padded(each_in, lanes) * _padded(each_out, lanes)
        amount_of[f"array{lanes}_macs"] = positions * padded * kernel.groups
    return amount_of


def _other(kernel: Kernel, moved: float, read: float, times: int) -> dict[str, float]:
    op = kernel.op
    if op in ("maxpool", "avgpool"):
        return {
            "pool_traffic": moved,
            "pool_work": UNIT * prod(kernel.output) * prod(kernel.size),
        }
    if op == "gap":
        return {"gap_launch": 1.0, "gap_traffic": read}
    if op == "activate":
        smooth = moved * (kernel.act in ("silu", "sigmoid"))
        return {"activate_launch": 1.0, "activate_traffic": moved, "smooth_traffic": smooth}
    if op in COPIES:
        return {"copy_launch": float(times), "copy_traffic": moved}
    if op == "multiply":
        return {"multiply_launch": 1.0, "multiply_traffic": moved}
    return {f"{op}_traffic": moved} if op in ("add", "norm") else {}


def _padded(channels: int, lanes: int) -> int:
    return -(-channels // lanes) * lanes


@lru_cache(maxsize=1 << 16)
def amounts(kernel: Kernel) -> Vector:
    """The amount of each of `KINDS` in a kernel."""
    vector = np.zeros(len(KINDS))
    for kind, amount in work(kernel).items():
        vector[_AT[kind]] = amount
    return vector


@lru_cache(maxsize=1 << 16)
def corrected_by(kernel: Kernel) -> tuple[str, ...]:
    """The names of the corrections of a kernel; the first word is one of `GROUPS`."""
    op, channels, (made, height, _) = operation(kernel), kernel.inputs[0][0], kernel.output
    names = [f"area {op} {height}", f"size {op} {channels} {height}"]
    if kernel.op in CONVOLUTIONS:
        names += [
            f"kernel {op} {kernel.size[0]} {kernel.stride}",
            f"in {op} {channels}",
            f"out {op} {made}",
        ]
    return tuple(names)


class Additive:
    """Predicts kernels from `weights`: ms for each amount of work, and the `constant` in ms."""

    def __init__(self, weights: dict[str, float]) -> None:
        self.weights = weights

    @property
    def constant_ms(self) -> float:
        """The latency of an empty network."""
        return self.weights.get(CONSTANT, 0.0)

    def kernel_ms(self, kernel: Kernel) -> float:
        """The latency of one kernel in ms."""
        weights = self.weights
        return sum(weights.get(kind, 0.0) * amount for kind, amount in work(kernel).items())
