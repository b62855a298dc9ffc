"""Layer norms over channels, as one ONNX operation or in the parts that older opsets have, and
group and instance norms."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
from onnx import NodeProto

from nas.formats.onnx_import.constants import Array, Value, attributes_of
from nas.formats.onnx_import.draft import Draft
from nas.formats.onnx_import.operations import Made, Operation, reads


class Norm(NamedTuple):
    """What is normalised, over which dimension, and what is added to the variance."""

    name: str
    axis: int
    epsilon: float


@reads("LayerNormalization")
def _layer_norm(draft: Draft, op: Operation) -> Made:
    x, scale, shift = op.tensor(), op.constant(1), op.constant(2)
    if x is None or scale is None or op.tensor(2) or len(op.made) > 1:
        return None
    axis = op.get("axis", -1) % len(x.dims)
    if prod(x.dims[axis + 1 :]) > 1:
        return None
    made = normalised(draft, op.name, x, axis, op.get("epsilon", 1e-5))
    return made and draft.affine(made, scale, 0 if shift is None else shift)


def normalised(draft: Draft, name: str, x: Value, axis: int, epsilon: float) -> Value | None:
    """A tensor less its mean over a dimension, by the deviation."""
    if not 2 <= len(x.dims) <= 4 or x.dims[0] != 1 or axis < 1:
        return None
    front = draft.front(x, axis)
    made = draft.add("layer_norm", name, [draft.shaped(front)], front.dims, norm=True, fill=epsilon)
    node, (_, channels, *_) = draft.nodes[made.node], front.dims
    draft.weights[f"{node.name}.norm.weight"] = np.ones(channels, np.float32)
    draft.weights[f"{node.name}.norm.bias"] = np.zeros(channels, np.float32)
    return draft.back(made, axis)


@reads("InstanceNormalization", "GroupNormalization")
def _group_norm(draft: Draft, op: Operation) -> Made:
    """Exporters write a group norm as an instance norm of a tensor that has the groups as its
    channels: the graph's own channels are kept, where these make up the groups."""
    x, scale, shift = op.tensor(), op.constant(1), op.constant(2)
    if x is None or scale is None or shift is None or len(x.dims) < 3 or x.dims[0] != 1:
        return None
    groups = op.get("num_groups", x.dims[1])
    channels = draft.nodes[x.node].shape[0]
    node = x.node if channels % groups == 0 else draft.shaped(x)
    shape = draft.nodes[node].shape
    terms = [np.asarray(t, np.float32).ravel() for t in (scale, shift)]
    if shape[0] % groups or any(shape[0] % t.size for t in terms):
        return None
    epsilon = op.get("epsilon", 1e-5)
    settings = {"groups": groups, "norm": True, "fill": epsilon}
    made = draft.add("group_norm", op.name, [node], (1, *shape), **settings)
    for key, term in zip(("weight", "bias"), terms, strict=True):
        name = f"{draft.nodes[made.node].name}.norm.{key}"
        draft.weights[name] = term.repeat(shape[0] // term.size)
    return Value(made.node, op.made[0])


class Parts:
    """The operations of a file by what they make, to recognise those that are parts of a norm."""

    def __init__(self, values: Mapping[str, Value | Array]) -> None:
        self.values, self.makers = values, dict[str, NodeProto]()

    def add(self, node: NodeProto) -> None:
        """Keeps an operation for those behind it."""
        self.makers.update(dict.fromkeys(node.output, node))

    def norm(self, node: NodeProto) -> Norm | None:
        """The layer norm whose last operation, but for scale and shift, is this one."""
        away, root = (self._made(node, "Div", i) for i in (0, 1))
        mean = self._made(away, "Sub", 1)
        total = self._made(root, "Sqrt")
        variance = self._made(total, "Add")
        square = self._made(variance, "ReduceMean")
        if not (away and mean and total and variance and square):
            return None
        axes = {self._axis(mean), self._axis(variance)}
        squared = square.op_type == "Mul" and set(square.input) == {node.input[0]}
        if square.op_type == "Pow" and square.input[0] == node.input[0]:
            squared = self._number(square.input[1]) == 2
        epsilon, axis = self._number(total.input[1]), axes.pop()
        if axes or axis is None or epsilon is None or not squared or mean.input[0] != away.input[0]:
            return None
        return Norm(away.input[0], axis, epsilon)

    def _made(self, node: NodeProto | None, kind: str, i: int = 0) -> NodeProto | None:
        """What made an input of a node, if that is of this kind."""
        if node is None or node.op_type != kind or i >= len(node.input):
            return None
        return self.makers.get(node.input[i])

    def _number(self, name: str) -> float | None:
        value = self.values.get(name)
        if value is None or isinstance(value, Value) or value.size != 1:
            return None
        return float(value.ravel()[0])

    def _axis(self, node: NodeProto) -> int | None:
        """The only dimension that a mean is over, and keeps."""
        attributes = attributes_of(node)
        axes: Any = attributes.get("axes")
        if axes is None and len(node.input) > 1:
            axes = self.values.get(node.input[1])
        x = self.values.get(node.input[0])
        alone = not isinstance(axes, Value) and axes is not None and len(axes) == 1
        if node.op_type != "ReduceMean" or not attributes.get("keepdims", 1):
            return None
        if not alone or not isinstance(x, Value):
            return None
        return int(axes[0]) % len(x.dims)
