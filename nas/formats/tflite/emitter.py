"""Operations on maps (1, H, W, C), in float32 or, where scales are given, in int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.formats.scales import HIGHEST, LOWEST, Scale, quantised_layer
from nas.formats.tflite.flatbuffer import (
    INT8_VERSIONS,
    Operation,
    Quantisation,
    Tensor,
)
from nas.graph import Shape

SAME, VALID = 0, 1  # the schema's paddings
FLOAT, INT8 = np.dtype(np.float32), np.dtype(np.int8)

Array = npt.NDArray[Any]
Pads = tuple[tuple[int, int], tuple[int, int]]  # before and behind the rows, and the columns


class Emitter:
    """Collects tensors and operations; a tensor is its index. `int8` holds the scales of tensors
    by their names; None writes float32."""

    def __init__(self, int8: Mapping[str, Scale] | None) -> None:
        self.int8 = int8
        self.tensors: list[Tensor] = []
        self.operations: list[Operation] = []
        self._constants: dict[str, int] = {}

    def scale_of(self, name: str) -> Scale | None:
        """The scale of the tensor of a name; None in float32."""
        return None if self.int8 is None else self.int8[name]

    def scale(self, x: int) -> Scale | None:
        """The scale of a tensor of int8."""
        known = self.tensors[x].quantisation
        return None if known is None else Scale(float(known.scales[0]), int(known.zeros[0]))

    def map(self, name: str, shape: Shape, like: Scale | None = None) -> int:
        """A new map of shape (C, H, W); its scale is that of its name unless it is `like` one."""
        c, h, w = shape
        return self._value(name, (1, h, w, c), like or self.scale_of(name))

    def op(
        self,
        op: str,
        inputs: Sequence[int],
        name: str,
        shape: Shape,
        like: Scale | None = None,
        **options: float,
    ) -> int:
        """An operation whose result is a new map."""
        return self._emit(op, inputs, self.map(name, shape, like), options)

    def constant(self, name: str, data: Array, quantisation: Quantisation | None = None) -> int:
        """A constant; one of the same name is taken again."""
        if name not in self._constants:
            self._constants[name] = len(self.tensors)
            self.tensors.append(Tensor(name, data.shape, data.dtype, data, quantisation))
        return self._constants[name]

    def scalar(self, name: str, value: float) -> int:
        """A constant of one value, exact in int8 as well."""
        data = np.full((1, 1, 1, 1), value, np.float32)
        if self.int8 is None:
            return self.constant(name, data)
        own = Scale(abs(value) / HIGHEST or 1.0, 0)
        return self.constant(name, own.quantised(data), _whole(own))

    def layer(
        self,
        x: int,
        weight: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        name: str,
        *,
        depthwise: bool,
    ) -> list[int]:
        """The inputs of a convolution: the map, weights (O, I, H, W) and a bias for each output."""
        order, axis = ((1, 2, 3, 0), 3) if depthwise else ((0, 2, 3, 1), 0)
        if depthwise:  # one input channel a filter
            assert weight.shape[1] == 1
        given = self.scale(x)
        if given is None:
            parts = [
                self.constant(f"{name}.weight", weight.transpose(order)),
                self.constant(f"{name}.bias", bias.astype(np.float32)),
            ]
            return [x, *parts]
        whole, steps, offsets = quantised_layer(weight, bias, given.scale)
        zeros = np.zeros(len(steps), np.int64)
        return [
            x,
            self.constant(
                f"{name}.weight", whole.transpose(order), Quantisation(steps, zeros, axis)
            ),
            self.constant(
                f"{name}.bias", offsets, Quantisation(steps * np.float32(given.scale), zeros)
            ),
        ]

    def padded(self, x: int, pads: Pads, name: str, *, lowest: bool = False) -> int:
        """The map with zeros around it, or, for a maximum, with the `lowest` value."""
        if not any(map(any, pads)):
            return x
        _, h, w, c = self.tensors[x].shape
        widths = self.constant(f"{name}.pads", np.array([(0, 0), *pads, (0, 0)], np.int32))
        shape, own = (c, h + sum(pads[0]), w + sum(pads[1])), self.scale(x)
        if not lowest or (own is not None and own.zero == LOWEST):
            return self.op("PAD", [x, widths], f"{name}.padded", shape, own)
        if own is None:
            value = self.constant("lowest", np.array([np.finfo(np.float32).min], np.float32))
        else:
            value = self.constant(f"{name}.lowest", np.array([LOWEST], np.int8), _whole(own))
        return self.op("PADV2", [x, widths, value], f"{name}.padded", shape, own)

    def reshaped(self, x: int, shape: tuple[int, ...], name: str) -> int:
        """The same values in another shape."""
        to = self.constant(f"{name}.shape", np.array(shape, np.int32))
        return self._emit("RESHAPE", [x, to], self._value(name, shape, self.scale(x)), {})

    def transposed(self, x: int, axes: tuple[int, ...], name: str) -> int:
        """The tensor with its axes in another order."""
        order = self.constant(f"{name}.axes", np.array(axes, np.int32))
        shape = tuple(self.tensors[x].shape[i] for i in axes)
        return self._emit("TRANSPOSE", [x, order], self._value(name, shape, self.scale(x)), {})

    def sliced(self, x: int, axis: int, start: int, size: int, name: str) -> int:
        """`size` indices of an axis from `start` on."""
        shape, begin = list(self.tensors[x].shape), [0] * 4
        shape[axis], begin[axis] = size, start
        bounds = [
            self.constant(f"{name}.{part}", np.array(value, np.int32))
            for part, value in (("begin", begin), ("size", shape))
        ]
        return self._emit("SLICE", [x, *bounds], self._value(name, tuple(shape), self.scale(x)), {})

    def concatenated(self, parts: Sequence[int], axis: int, name: str, shape: Shape) -> int:
        """Maps one behind the other; in int8 each is brought to the result's scale first."""
        result = self.map(name, shape)
        scale = self.scale(result)
        same = [self.rescaled(x, scale, f"{name}.{i}") for i, x in enumerate(parts)]
        return self._emit("CONCATENATION", same, result, {"Axis": axis})

    def rescaled(self, x: int, scale: Scale | None, name: str) -> int:
        """The map with another scale; itself in float32, or where that is its scale."""
        own = self.scale(x)
        if scale is None or own is None or _stored(own) == _stored(scale):
            return x
        return self._emit("QUANTIZE", [x], self._value(name, self.tensors[x].shape, scale), {})

    def _value(self, name: str, shape: tuple[int, ...], scale: Scale | None) -> int:
        dtype = FLOAT if scale is None else INT8
        self.tensors.append(Tensor(name, shape, dtype, None, scale and _whole(scale)))
        return len(self.tensors) - 1

    def _emit(
        self, op: str, inputs: Sequence[int], output: int, options: Mapping[str, float]
    ) -> int:
        version = 1 if self.int8 is None else INT8_VERSIONS.get(op, 2)
        self.operations.append(Operation(op, inputs, [output], options, version))
        return output


def _stored(scale: Scale) -> tuple[np.float32, int]:
    """A scale as a file holds it, in single precision."""
    return np.float32(scale.scale), scale.zero


def _whole(scale: Scale) -> Quantisation:
    return Quantisation(np.array([scale.scale], np.float32), np.array([scale.zero], np.int64))
