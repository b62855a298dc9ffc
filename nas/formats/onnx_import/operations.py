"""How each ONNX operation is read into a graph.

A reader takes the draft and an operation and gives the tensors that it makes, or None where the
graph has nothing that computes just that: then the operation is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np
from onnx import TensorProto

from nas.formats.folding import BATCH_NORM_EPS
from nas.formats.onnx_import.constants import REAL, Array, Dims, Value
from nas.formats.onnx_import.draft import Draft, axis_of, shape_of


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
Elementwise = Literal["add", "multiply", "divide"]
ELEMENTWISE: dict[str, Elementwise] = {"Mul": "multiply", "Div": "divide"}
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
        case "Div", True if len(x.dims) <= 4:
            return elementwise(draft, "divide", op.name, [filled(draft, x, number), x], x.dims)
        case _:
            return None


@reads("Neg")
def _negative(draft: Draft, op: Operation) -> Made:
    x = op.tensor()
    return x and draft.affine(x, -1, 0, op.name)


@reads("Reciprocal")
def _reciprocal(draft: Draft, op: Operation) -> Made:
    one = np.float32(1)
    return _arithmetic(draft, op._replace(kind="Div", inputs=[np.asarray(one), *op.inputs]))


def filled(draft: Draft, x: Value, values: Array) -> Value:
    """A constant of the dimensions of a tensor, as zeros that it is added to."""
    shape = draft.nodes[x.node].shape
    return draft.affine(
        Value(draft.add("zero", "zero", [x.node], (1, *shape)).node, x.dims), 1, values
    )


def _of_tensors(draft: Draft, op: Operation, tensors: list[Value]) -> Made:
    dims = op.made[0]
    if not all(_broadcasts(x.dims, dims) for x in tensors):
        tensors, dims = _merged(tensors, dims)
    if len(dims) > 4:
        return None
    if op.kind == "Sub":
        tensors = [tensors[0], draft.affine(tensors[1], -1, 0)]
    how: Elementwise = ELEMENTWISE.get(op.kind, "add")
    return Value(elementwise(draft, how, op.name, tensors, dims).node, op.made[0])


def _broadcasts(dims: Dims, made: Dims) -> bool:
    """Whether a tensor broadcasts in the graph's three dimensions as it does in its own."""
    if len(dims) != len(made) or len(dims) > 4 or dims[:1] != made[:1]:
        return False
    return all(n in (1, m) for n, m in zip(shape_of(dims), shape_of(made), strict=True))


def _merged(tensors: Sequence[Value], made: Dims) -> tuple[list[Value], Dims]:
    """The tensors, and what they make, with neighbouring dimensions in which each broadcasts, or
    does not, as one."""
    padded = [(1,) * (len(made) - len(x.dims)) + x.dims for x in tensors]
    runs: dict[int, list[int]] = {}
    before, kept = None, -1
    for i, n in enumerate(made):
        spread = [dims[i] == n for dims in padded]
        if n > 1 and spread != before:
            before, kept = spread, i
        runs.setdefault(max(kept, 0), []).append(i)
    views = [
        (1, *(prod(dims[i] for i in run) for run in runs.values())) for dims in (*padded, made)
    ]
    return [Value(x.node, view) for x, view in zip(tensors, views, strict=False)], views[-1]


def elementwise(
    draft: Draft, op: Elementwise, name: str, tensors: Sequence[Value], dims: Dims
) -> Value:
    """A sum, a product or a quotient, of tensors with channels last with their channels in front,
    so that transposes meet."""
    axis = len(dims) - 1
    last = dims[0] == 1 and any(map(draft.turned, tensors))
    if last:
        tensors, dims = [draft.front(x, axis) for x in tensors], (1, dims[axis], *dims[1:axis])
    nodes = [draft.shaped(x) for x in tensors]
    if op == "multiply":
        nodes.sort(key=lambda i: draft.nodes[i].shape != shape_of(dims))  # the gate comes last
    made = draft.add(op, name, nodes, dims)
    return draft.back(made, axis) if last else made


@reads("Identity", "Dropout", "Cast", "CastLike", "Flatten", "Reshape", "Squeeze", "Unsqueeze")
def _same_values(draft: Draft, op: Operation) -> Made:
    """What changes no value and no order costs nothing; the shape is kept in mind."""
    x = op.tensor()
    if x is None or prod(x.dims) != prod(op.made[0]) or op.get("to", TensorProto.FLOAT) not in REAL:
        return None
    return Value(x.node, op.made[0])


@reads("Expand")
def _expand(draft: Draft, op: Operation) -> Made:
    """Repeats one dimension, or neighbours: rows of one, enlarged as a resize does it."""
    x, made = op.tensor(), op.made[0]
    if x is None:
        return None
    dims = (1,) * (len(made) - len(x.dims)) + x.dims
    grown = [i for i, (n, m) in enumerate(zip(dims, made, strict=True)) if n != m]
    if not grown:
        return Value(x.node, made)
    first, end = grown[0], grown[-1] + 1
    if prod(dims[first:end]) > 1:
        return None
    before, n, behind = prod(made[:first]), prod(made[first:end]), prod(made[end:])
    rows = draft.shaped(Value(x.node, (1, before, 1, behind)))
    repeated = draft.add("resize", op.name, [rows], (1, before, n, behind), mode="nearest")
    return Value(repeated.node, made)


@reads("Transpose")
def _transpose(draft: Draft, op: Operation) -> Made:
    x = op.tensor()
    return x and draft.permuted(x, op.get("perm", range(len(x.dims))[::-1]))


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
