"""Kernels as columns of numbers: what is computed of them is computed of all at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from math import prod
from typing import Any, Final, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from nas.graph import ACTIVATIONS, Act
from nas.latency.lowering.kernels import Kernel, KernelOp, Layout

Vector = npt.NDArray[np.float64]

# What prices and corrections belong to: the convolutions of a gate are on their own.
CONVOLUTIONS: Final[tuple[KernelOp, ...]] = ("conv", "pointwise", "depthwise", "grouped")
OPERATIONS: Final[tuple[str, ...]] = (*get_args(KernelOp), "gate")
# An operation in a layout.
PLACES: Final = {
    (op, layout): f"{op}.{layout}" if layout else op
    for op in get_args(KernelOp)
    for layout in get_args(Layout)
}
_NUMBER: Final = {operation: i for i, operation in enumerate(OPERATIONS)}
_PLACE: Final = {place: i for i, place in enumerate(PLACES)}
_ACTS: Final[dict[Act | None, int]] = {act: i for i, act in enumerate((None, *ACTIVATIONS))}


def operation(kernel: Kernel) -> str:
    """The one of `OPERATIONS` that a kernel is."""
    if kernel.op in CONVOLUTIONS and kernel.output[1:] == (1, 1):
        return "gate"
    return kernel.op


class Columns(NamedTuple):
    """Each a number a kernel. `channels` and `read` count those and the elements of all inputs,
    `first` the channels of the first one, `written` the elements of the output (`made` channels,
    `height`, `width`), `window` those of a convolution's or a pool's, `square` is its height where
    that is its width, else 0. `operation` and `place` are indices of `OPERATIONS` and `PLACES`;
    `sliced` and `depthwise` are 1 or 0; `act` is looked up by `acts`."""

    operation: Any
    place: Any
    act: Any
    sliced: Vector
    depthwise: Vector
    inputs: Vector
    channels: Vector
    read: Vector
    first: Vector
    made: Vector
    height: Vector
    width: Vector
    written: Vector
    window: Vector
    square: Vector
    stride: Vector
    groups: Vector
    residual: Vector
    weights: Vector

    @classmethod
    def of(cls, kernels: Sequence[Kernel] | Columns) -> Columns:
        """The columns of kernels, unless they are given as such."""
        if isinstance(kernels, Columns):
            return kernels
        numbers = np.fromiter(chain.from_iterable(map(_numbers, kernels)), np.float64)
        columns = numbers.reshape(-1, len(cls._fields)).T.copy()
        return cls(*columns[:3].astype(np.intp), *columns[3:])

    @property
    def area(self) -> Vector:
        """Positions of the output."""
        return self.height * self.width

    @property
    def macs(self) -> Vector:
        """Multiply-adds."""
        return self.weights * self.area

    @property
    def moved(self) -> Vector:
        """The elements read and written, weights included, as `Kernel.moved` counts them."""
        every = self.read + self.written * (1 + self.residual) + self.weights
        return np.where(self.sliced > 0, 2 * self.written, every)

    def acts(self, *names: Act) -> Vector:
        """1 for the kernels that end in one of these activations, else 0."""
        flags: Vector = _flags(names)[self.act]
        return flags


def _numbers(kernel: Kernel) -> tuple[int, ...]:
    op, inputs, output, (rows, columns), stride, groups, act, residual, layout = kernel
    made, height, width = output
    first, weights, number = inputs[0][0], 0, _NUMBER[op]
    if op in CONVOLUTIONS:
        weights = made * (first // groups) * rows * columns
        if height == width == 1:
            number = _NUMBER["gate"]
    elif op == "linear":
        weights = made * prod(inputs[0])
    return (
        number, _PLACE[op, layout], _ACTS[act], op == "slice", op == "depthwise", len(inputs),
        first if len(inputs) == 1 else sum([shape[0] for shape in inputs]),
        sum([c * h * w for c, h, w in inputs]),
        first, made, height, width, made * height * width,
        rows * columns, rows if rows == columns else 0, stride, groups, residual, weights,
    )  # fmt: skip


@cache
def _flags(acts: tuple[Act, ...]) -> Vector:
    flags = np.zeros(len(_ACTS))
    flags[[_ACTS[act] for act in acts]] = 1.0
    return flags
