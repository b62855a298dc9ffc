"""How each ONNX operation is read into a graph.

A reader takes the draft and an operation and gives the tensors that it makes, or None where the
graph has nothing that computes just that: then the operation is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np

from nas.formats.folding import BATCH_NORM_EPS
from nas.formats.onnx_import.constants import Array, Dims, Value
from nas.formats.onnx_import.draft import Draft, axis_of, shape_of
from nas.graph import Op


class Operation(NamedTuple):
    """An operation of the file: its inputs as they are known, and the dimensions it makes."""

    kind: str
    name: str
    inputs: list[Value | Array | None]
    attributes: dict[str, Any]
    made: list[Dims]
    opset: int

    def get(self, key: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(key, default)

    def tensor(self, i: int = 0) -> Value | None:
        """An input that is a tensor of the network."""
        value = self.inputs[i] if i < len(self.inputs) else None
        return value if isinstance(value, Value) else None

    def constant(self, i: int) -> Array | None:
        """An input that is a constant."""
        value = self.inputs[i] if i < len(self.inputs) else None
        return None if isinstance(value, Value) else value

    def told(self, key: str, i: int) -> Array | None:
        """What newer opsets give as an input and older ones as an attribute."""
        value = self.get(key)
        return self.constant(i) if value is None else np.asarray(value)


Made = Value | list[Value] | None
Reader = Callable[[Draft, Operation], Made]
READERS: dict[str, Reader] = {}


def reads(*kinds: str) -> Callable[[Reader], Reader]:
    """Registers the reader of operations."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(kinds, reader))
        return reader

    return register


@reads("BatchNormalization")
def _norm(draft: Draft, op: Operation) -> Made:
    x, terms = op.tensor(), [op.constant(i) for i in (1, 2, 3, 4)]
    if x is None or op.get("training_mode") or axis_of(1, x.dims) is None:
        return None
    weight, bias, mean, var = (np.asarray(t, np.float64) for t in terms)
    var = var + op.get("epsilon", 1e-5) - BATCH_NORM_EPS
    return draft.norm(x, op.name, (weight, bias, mean, var))


@reads("Add", "Sum", "Sub", "Mul", "Div")
def _arithmetic(draft: Draft, op: Operation) -> Made:
    tensors = [v for v in op.inputs if isinstance(v, Value)]
    if len(tensors) == len(op.inputs):
        return _of_tensors(draft, op, tensors)
    if len(op.inputs) != 2 or len(tensors) != 1:
        return None
    x, first = tensors[0], op.tensor(0) is None
    number = np.asarray(op.constant(0 if first else 1), np.float64)
    if prod(op.made[0]) != prod(x.dims):
        return None
    x = Value(x.node, op.made[0])
    match op.kind, first:
        case "Add" | "Sum", _:
            return draft.affine(x, 1, number, op.name)
        case "Sub", _:
            return draft.affine(x, -1, number) if first else draft.affine(x, 1, -number)
        case "Mul", _:
            return draft.affine(x, number, 0, op.name)
        case "Div", False if np.all(number):
            return draft.affine(x, 1 / number, 0, op.name)
        case _:
            return None


def _of_tensors(draft: Draft, op: Operation, tensors: list[Value]) -> Made:
    dims = op.made[0]
    if op.kind == "Div" or any(len(x.dims) != len(dims) for x in tensors) or len(dims) > 4:
        return None
    if op.kind == "Sub":
        tensors = [tensors[0], draft.affine(tensors[1], -1, 0)]
    return elementwise(draft, "multiply" if op.kind == "Mul" else "add", op.name, tensors, dims)


def elementwise(
    draft: Draft, op: Literal["add", "multiply"], name: str, tensors: Sequence[Value], dims: Dims
) -> Value:
    """A sum or a product, of tensors with channels last with their channels in front, so that
    transposes meet."""
    axis = len(dims) - 1
    last = dims[0] == 1 and any(map(draft.turned, tensors))
    if last:
        tensors, dims = [draft.front(x, axis) for x in tensors], (1, dims[axis], *dims[1:axis])
    nodes = [draft.shaped(x) for x in tensors]
    if op == "multiply":
        nodes.sort(key=lambda i: draft.nodes[i].shape != shape_of(dims))  # the gate comes last
    made = draft.add(op, name, nodes, dims)
    return draft.back(made, axis) if last else made


@reads("Identity", "Dropout", "Cast", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Expand")
def _same_values(draft: Draft, op: Operation) -> Made:
    """What changes no value and no order costs nothing; the shape is kept in mind."""
    x = op.tensor()
    if x is None or prod(x.dims) != prod(op.made[0]):
        return None
    return Value(x.node, op.made[0])


@reads("Transpose")
def _transpose(draft: Draft, op: Operation) -> Made:
    x = op.tensor()
    return x and draft.permuted(x, op.get("perm", range(len(x.dims))[::-1]))


@reads("Concat")
def _concat(draft: Draft, op: Operation) -> Made:
    axis, dims = op.get("axis", 1) % len(op.made[0]), op.made[0]
    like = next(v for v in op.inputs if isinstance(v, Value))
    tensors = []
    for given in op.inputs:
        value = given if isinstance(given, Value) else _constant(draft, op.name, given, like, axis)
        if value is None:
            return None
        tensors.append(value)
    if axis == len(dims) - 1 and any(map(draft.turned, tensors)):
        nodes = [draft.shaped(draft.front(x, axis)) for x in tensors]
        made = draft.add("concat", op.name, nodes, (1, dims[axis], *dims[1:axis]))
        return draft.back(made, axis)
    nodes = [draft.shaped(_lined(x, axis)[0]) for x in tensors]
    whole, at = _lined(Value(0, dims), axis)
    made = draft.add("concat_rows" if at else "concat", op.name, nodes, whole.dims)
    return Value(made.node, dims)


def _constant(draft: Draft, name: str, array: Array | None, like: Value, axis: int) -> Value | None:
    """A constant, such as a transformer's token of the class, as zeros that it is added to; None
    where it is longer than the tensor `like` that it goes along with."""
    if array is None or not 1 <= array.shape[axis] <= like.dims[axis]:
        return None
    part = _range(draft, name, like, axis, 0, array.shape[axis])
    if part is None:
        return None
    node = part.node
    zeros = draft.add("zero", "zero", [node], (1, *draft.nodes[node].shape)).node
    return draft.affine(Value(zeros, part.dims), 1, array)


def _lined(x: Value, axis: int) -> tuple[Value, int]:
    """The tensor with a dimension where channels are (0) or rows (1), and which of them: as it is,
    or with all dimensions before it as one, and all behind."""
    at = axis_of(axis, x.dims)
    if at in (0, 1) and len(x.dims) <= 4:
        return x, at
    before, n, after = prod(x.dims[:axis]), x.dims[axis], prod(x.dims[axis + 1 :])
    if before == 1:
        return Value(x.node, (1, n, after)), 0
    return Value(x.node, (1, before, n, after)), 1


@reads("Split")
def _split(draft: Draft, op: Operation) -> Made:
    x, start, parts = op.tensor(), 0, []
    axis = op.get("axis", 0)
    for dims in op.made:
        if x is None:
            return None
        part = _range(draft, op.name, x, axis, start, dims[axis])
        if part is None:
            return None
        parts.append(part)
        start += dims[axis]
    return parts


@reads("Slice")
def _slice(draft: Draft, op: Operation) -> Made:
    x, starts, ends, axes, steps = (
        op.tensor(),
        *(op.told(k, i) for i, k in enumerate(("starts", "ends", "axes", "steps"), 1)),
    )
    if x is None or starts is None or ends is None or any(map(op.tensor, (1, 2, 3, 4))):
        return None
    where = range(len(starts)) if axes is None else axes.tolist()
    strides = [1] * len(starts) if steps is None else steps.tolist()
    if min(strides) < 1:
        return None
    for axis, start, end, step in zip(where, starts.tolist(), ends.tolist(), strides, strict=True):
        part = range(x.dims[axis])[start:end]
        cut = _range(draft, op.name, x, axis, part.start, len(part))
        if cut is not None and step > 1:
            cut = _every(draft, op.name, cut, axis % len(x.dims), step)
        if cut is None:
            return None
        x = cut
    return x


def _every(draft: Draft, name: str, x: Value, axis: int, step: int) -> Value | None:
    """Every so many rows or columns: a pooling of windows of one pixel."""
    if len(x.dims) != 4 or x.dims[0] != 1 or axis < 2:
        return None
    dims = tuple(-(-n // step) if i == axis else n for i, n in enumerate(x.dims))
    stride = (step, 1) if axis == 2 else (1, step)
    return draft.add("maxpool", name, [draft.shaped(x)], dims, stride=stride)


@reads("Gather")
def _gather(draft: Draft, op: Operation) -> Made:
    x, index, axis = op.tensor(), op.constant(1), op.get("axis", 0)
    if x is None or index is None or not index.size:
        return None
    wanted = index.ravel() % x.dims[axis]
    if (np.diff(wanted) != 1).any():
        return None
    part = _range(draft, op.name, x, axis, int(wanted[0]), len(wanted))
    return part and Value(part.node, op.made[0])


def _range(draft: Draft, name: str, x: Value, axis: int, start: int, size: int) -> Value | None:
    """Consecutive entries along one dimension."""
    axis += len(x.dims) * (axis < 0)
    dims = (*x.dims[:axis], size, *x.dims[axis + 1 :])
    if size == x.dims[axis]:
        return x
    if size < 1:
        return None
    if axis == len(x.dims) - 1 and draft.turned(x):
        cut = _range(draft, name, draft.front(x, axis), 1, start, size)
        return cut and draft.back(cut, axis)
    lined, at = _lined(x, axis)
    part = (*lined.dims[: at + 1], size, *lined.dims[at + 2 :])
    how: Op = "slice_rows" if at else "slice"
    made = draft.add(how, name, [draft.shaped(lined)], part, start=start)
    return Value(made.node, dims)


@reads("Softmax")
def _softmax(draft: Draft, op: Operation) -> Made:
    x = op.tensor()
    if x is None:
        return None
    axis = op.get("axis", -1 if op.opset >= 13 else 1) % len(x.dims)
    before, behind = prod(x.dims[:axis]), prod(x.dims[axis + 1 :])
    after = behind if op.opset >= 13 else 1  # older opsets: over all that follows
    at = axis_of(axis, x.dims)
    if before == after == 1:
        x, at = Value(x.node, (1, prod(x.dims))), 0
    elif at is None or after != behind:
        x, at = Value(x.node, (1, before, prod(x.dims) // (before * after), after)), 1
    made = draft.add("softmax", op.name, [draft.shaped(x)], x.dims, start=at)
    return Value(made.node, op.made[0])
