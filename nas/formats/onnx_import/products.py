"""How ONNX operations are read that are products of matrices: linear layers and attention's."""

from __future__ import annotations

from math import prod

import numpy as np

from nas.formats.onnx_import.constants import Value
from nas.formats.onnx_import.draft import Draft
from nas.formats.onnx_import.operations import Made, Operation, reads


@reads("Gemm", "MatMul")
def _linear(draft: Draft, op: Operation) -> Made:
    x, weight, bias = op.tensor(), op.constant(1), op.constant(2)
    if x is not None and (y := op.tensor(1)) and op.kind == "MatMul":
        return _product(draft, op, x, y)
    if x is None or weight is None or weight.ndim != 2 or op.get("transA") or op.tensor(2):
        return None
    if bias is not None and prod(bias.shape[:-1]) > 1:  # one for each row
        return None
    weight = (weight if op.get("transB") else weight.T) * np.float32(op.get("alpha", 1.0))
    out, features = weight.shape
    if prod(x.dims) == features:
        made = draft.add("linear", op.name, [x.node], (1, out), bias=bias is not None)
        key = f"{draft.nodes[made.node].name}.linear"
    else:  # the same layer for every row: a 1x1 convolution
        rows = x if x.dims[0] == 1 and len(x.dims) in (3, 4) else _rows(x)
        columns = draft.front(rows, len(rows.dims) - 1)
        shape, inputs = (1, out, *columns.dims[2:]), [draft.shaped(columns)]
        conv = draft.add("conv", op.name, inputs, shape, bias=bias is not None)
        key = f"{draft.nodes[conv.node].name}.conv"
        weight = weight.reshape(out, features, 1, 1)
        made = draft.back(conv, len(rows.dims) - 1)
    draft.weights[f"{key}.weight"] = weight.astype(np.float32)
    if bias is not None:
        shift = np.broadcast_to(bias.ravel() * np.float32(op.get("beta", 1.0)), out)
        draft.weights[f"{key}.bias"] = shift.astype(np.float32)
    return Value(made.node, op.made[0])


def _rows(x: Value) -> Value:
    """The tensor as a matrix, of its last dimension and all others as one."""
    return Value(x.node, (1, prod(x.dims[:-1]), x.dims[-1]))


def _product(draft: Draft, op: Operation, x: Value, y: Value) -> Made:
    """A product of as many matrices."""
    if x.dims[:-2] != y.dims[:-2] or min(len(x.dims), len(y.dims)) < 2:
        return None
    matrices = [Value(v.node, (1, prod(v.dims[:-2]), *v.dims[-2:])) for v in (x, y)]
    dims = (*matrices[0].dims[:3], y.dims[-1])
    made = draft.add("matmul", op.name, [draft.shaped(m) for m in matrices], dims)
    return Value(made.node, op.made[0])
