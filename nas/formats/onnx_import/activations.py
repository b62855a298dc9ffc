"""How ONNX operations are read that bend each value by itself: activations and bounds."""

from __future__ import annotations

import numpy as np

from nas.formats.onnx_import.constants import Value
from nas.formats.onnx_import.draft import Draft
from nas.formats.onnx_import.operations import Made, Operation, elementwise, reads
from nas.graph import Act

PLAIN_ACTS: dict[str, Act] = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "HardSwish": "hswish"
}  # fmt: skip


@reads(*PLAIN_ACTS)
def _plain(draft: Draft, op: Operation) -> Made:
    x = op.tensor()
    return x and draft.act(x, PLAIN_ACTS[op.kind], op.name)


@reads("Gelu")
def _gelu(draft: Draft, op: Operation) -> Made:
    x = op.tensor()
    exact = op.get("approximate", b"none") == b"none"
    return draft.act(x, "gelu", op.name) if x and exact else None


@reads("Erf")
def _erf(draft: Draft, op: Operation) -> Made:
    """Not read by itself, but a part of GELU, whose other parts stand with channels in front."""
    if (x := op.tensor()) is None:
        return None
    last, axis = draft.turned(x), len(x.dims) - 1
    front = draft.front(x, axis) if last else x
    made = draft.add("unread", op.name, [draft.shaped(front)], front.dims, mode=op.kind)
    return draft.back(made, axis) if last else made


@reads("LeakyRelu", "PRelu")
def _leaky(draft: Draft, op: Operation) -> Made:
    x, slope = op.tensor(), op.told("alpha", 1) if op.kind == "PRelu" else op.get("alpha", 0.01)
    if x is None or slope is None or op.made[0] != x.dims:
        return None
    if not np.ptp(slope):
        return draft.act(x, "leaky_relu", op.name, float(np.ravel(slope)[0]))
    rest = draft.affine(draft.act(x, "relu"), 1 - slope, 0)
    return elementwise(draft, "add", op.name, [draft.affine(x, slope, 0), rest], x.dims)


@reads("HardSigmoid")
def _hard_sigmoid(draft: Draft, op: Operation) -> Made:
    x, alpha, beta = op.tensor(), op.get("alpha", 0.2), op.get("beta", 0.5)
    if x is None:
        return None
    if abs(6 * alpha - 1) > 1e-6 or abs(beta - 0.5) > 1e-6:
        x = draft.affine(x, 6 * alpha, 6 * beta - 3)
    return draft.act(x, "hsigmoid", op.name)


@reads("Clip")
def _clip(draft: Draft, op: Operation) -> Made:
    x, (low, high) = op.tensor(), (op.told(k, i) for k, i in (("min", 1), ("max", 2)))
    if x is None or any(op.tensor(i) for i in (1, 2)):
        return None
    least = -np.inf if low is None else float(low)
    return _between(draft, op.name, x, least, np.inf if high is None else float(high))


@reads("Max", "Min")
def _extreme(draft: Draft, op: Operation) -> Made:
    """A bound on one side, as TensorFlow's converter writes it."""
    bounds = [v for v in op.inputs if v is not None and not isinstance(v, Value)]
    x = op.tensor(0) or op.tensor(1)
    if len(op.inputs) != 2 or len(bounds) != 1 or x is None or op.made[0] != x.dims:
        return None
    if np.ptp(bounds[0]):
        return None
    bound = float(bounds[0].ravel()[0])
    low, high = (bound, np.inf) if op.kind == "Max" else (-np.inf, bound)
    return _between(draft, op.name, x, low, high)


def _between(draft: Draft, name: str, x: Value, least: float, most: float) -> Value | None:
    """The tensor with its values kept between two numbers."""
    before = draft.nodes[x.node]
    if least < -1e30 and before.op == "activate" and before.act == "relu" and not before.norm:
        x, least = Value(before.inputs[0], x.dims), 0
    if not least < most:
        return None
    if least < -1e30:
        if most > 1e30:
            return x
        return draft.affine(draft.act(draft.affine(x, -1, most), "relu", name), -1, most)
    if least:
        x = draft.affine(x, 1, -least)
    if most > 1e30:
        x = draft.act(x, "relu", name)
    elif most - least == 6:
        x = draft.act(x, "relu6", name)
    else:
        x = draft.act(draft.affine(x, 6 / (most - least), 0), "relu6", name)
        x = draft.affine(x, (most - least) / 6, 0)
    return draft.affine(x, 1, least) if least else x
