"""How the ONNX operations are read that cut tensors apart and join them."""

from __future__ import annotations

from math import prod

import numpy as np

from nas.formats.onnx_import.constants import Array, Value
from nas.formats.onnx_import.draft import Draft, axis_of
from nas.formats.onnx_import.operations import Made, Operation, filled, reads
from nas.graph import Op


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
    """A constant, such as a transformer's token of the class, to be concatenated; None where it is
    longer than the tensor `like` that it goes along with."""
    if array is None or not 1 <= array.shape[axis] <= like.dims[axis]:
        return None
    part = _range(draft, name, like, axis, 0, array.shape[axis])
    if part is None:
        return None
    return filled(draft, part, array)


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
