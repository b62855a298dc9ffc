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

from collections.abc import Sequence
from typing import Final

import numpy as np

from nas.latency.lowering.kernels import Kernel, KernelOp
from nas.latency.model.columns import CONVOLUTIONS, OPERATIONS, Columns, operation
from nas.latency.model.columns import Vector as Vector

CONSTANT = "constant"
COPIES: Final[tuple[KernelOp, ...]] = ("concat", "slice", "shuffle", "swap", "zero", "split")
ARRAYS = (16, 64, 128)  # lanes of an array of multipliers, both ways
VECTORS = (32, 128)  # lanes of a depthwise convolution
UNIT = 1e-6  # amounts are in millions of elements and of multiply-adds, launches as they are

DENSE = ("conv", "pointwise", "grouped")
EVERY = OPERATIONS
OTHERS = tuple(name for name in OPERATIONS if name not in (*CONVOLUTIONS, "gate", "linear"))
DONE_BY: Final[dict[str, tuple[str, ...]]] = {  # the operations that do a kind of work
    CONSTANT: (),
    **dict.fromkeys(("launch", "eager_launch", "traffic", "eager_traffic"), EVERY),
    "macs": (*CONVOLUTIONS, "gate", "linear"),
    **dict.fromkeys(("gate_launch", "gate_weights"), ("gate",)),
    "weights": EVERY,
    **dict.fromkeys(("conv3_macs", "convk_macs"), ("conv",)),
    "pointwise_macs": ("pointwise",),
    "grouped_macs": ("grouped",),
    **dict.fromkeys(("depthwise3_macs", "depthwisek_macs"), ("depthwise",)),
    **{f"{name}_root": (name,) for name in ("conv", "pointwise", "grouped", "depthwise")},
    **dict.fromkeys(("conv_read", "conv_written"), CONVOLUTIONS),
    "strided_macs": DENSE,
    "depthwise_strided_macs": ("depthwise",),
    "small_macs": DENSE,
    **{f"array{lanes}_macs": DENSE for lanes in ARRAYS},
    **dict.fromkeys(("depthwise_launch", "depthwise_traffic"), ("depthwise",)),
    **{f"vector{lanes}_macs": ("depthwise",) for lanes in VECTORS},
    "grouped_launch": ("grouped",),
    **dict.fromkeys(("linear_launch", "linear_macs"), ("linear",)),
    **dict.fromkeys(("other_launch", "other_traffic"), OTHERS),
    **dict.fromkeys(("pool_traffic", "pool_work"), ("maxpool", "avgpool")),
    **dict.fromkeys(("gap_launch", "gap_traffic"), ("gap",)),
    **dict.fromkeys(("multiply_launch", "multiply_traffic"), ("multiply",)),
    **dict.fromkeys(("activate_traffic", "activate_launch"), ("activate",)),
    "relu6_traffic": CONVOLUTIONS,
    "smooth_traffic": ("activate",),
    "add_traffic": ("add",),
    "norm_traffic": ("norm",),
    **dict.fromkeys(("copy_traffic", "copy_launch"), COPIES),
}
KINDS = tuple(DONE_BY)


def _flags(*names: str) -> Vector:
    return np.array([float(name in names) for name in OPERATIONS])


_DONE = np.array([_flags(*names) for names in DONE_BY.values()])
_CONVOLVES, _JOINS = _flags(*CONVOLUTIONS, "gate"), _flags("add", "concat")
_FUSES = _flags(*CONVOLUTIONS, "gate", "linear")
GROUPS = ("area", "kernel", "in", "out", "size")  # of corrections
CORRECTED = ("area", "size", "kernel", "in", "out")  # in the order of a kernel's own


def amounts(kernels: Sequence[Kernel] | Columns) -> Vector:
    """The amount of each of `KINDS` in each of the kernels, a row a kernel."""
    known = Columns.of(kernels)
    one, area = np.ones_like(known.stride), known.area
    read, written, weights = UNIT * known.read, UNIT * known.written, UNIT * known.weights
    macs, made = UNIT * known.macs, written * (1 + known.residual)
    moved, root = read + made, np.sqrt(macs)
    three, strided = macs * (known.square == 3), macs * (known.stride > 1)
    convolves = _CONVOLVES[known.operation]
    fused = _FUSES[known.operation] * (known.act > 0)
    times = 1 + _JOINS[known.operation] * np.maximum(known.inputs - 2, 0)
    each_in, each_out = known.first // known.groups, known.made // known.groups
    positions = UNIT * area * known.window
    work = {
        CONSTANT: one,
        "launch": one,
        # Executed operation by operation, a convolution is followed by its norm, activation, sum.
        "eager_launch": times + convolves + fused + known.residual,
        "traffic": moved + weights,
        "eager_traffic": read + written * (1 + 2 * (convolves + fused) + 3 * known.residual),
        "macs": macs * (1 - known.depthwise),
        "weights": weights,
        "gate_weights": weights,
        "conv3_macs": three,
        "convk_macs": macs - three,
        "depthwise3_macs": three,
        "depthwisek_macs": macs - three,
        "conv_read": read,
        "conv_written": made,
        "strided_macs": strided,
        "depthwise_strided_macs": strided,
        "small_macs": macs / np.sqrt(area),
        "depthwise_traffic": read + written,
        "grouped_launch": known.groups,
        "pool_work": written * known.window,
        "gap_traffic": read,
        "relu6_traffic": written * known.acts("relu6"),
        "smooth_traffic": moved * known.acts("silu", "sigmoid"),
        "copy_launch": times,
    }
    for lanes in ARRAYS:
        padded = _padded(each_in, lanes) * _padded(each_out, lanes)
        work[f"array{lanes}_macs"] = positions * padded * known.groups
    for lanes in VECTORS:
        work[f"vector{lanes}_macs"] = positions * _padded(known.made, lanes)
    by_unit = {"macs": macs, "root": root, "launch": one, "traffic": moved}
    columns = [work[k] if k in work else by_unit[k.rpartition("_")[2]] for k in KINDS]
    return np.ascontiguousarray((np.array(columns) * _DONE.take(known.operation, 1)).T)


def _padded(channels: Vector, lanes: int) -> Vector:
    return np.ceil(channels / lanes) * lanes


def corrected_by(kernel: Kernel) -> tuple[str, ...]:
    """The names of the corrections of a kernel; the first word is that of `CORRECTED`, of which
    only convolutions have more than two."""
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

    def kernels_ms(self, kernels: Sequence[Kernel] | Columns) -> Vector:
        """The latency of each kernel in ms."""
        return amounts(kernels) @ [self.weights.get(kind, 0.0) for kind in KINDS]
