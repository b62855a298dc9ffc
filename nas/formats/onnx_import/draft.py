"""A graph while it is read: nodes are appended, tensors seen in the graph's three dimensions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from nas.formats.folding import BATCH_NORM_EPS
from nas.formats.onnx_import.constants import Array, Dims, Value
from nas.graph import Act, Node, Op, Shape

CONSTANT = "constant"  # mode of a norm that is a scale and a shift of the file's own arithmetic


class Draft:
    """Nodes and, by torch's parameter names, weights. Node 0 is the input."""

    def __init__(self, dims: Dims) -> None:
        self.nodes = [Node("input", "input", (), shape_of(dims))]
        self.weights: dict[str, Array] = {}
        self._names = {"input"}

    def add(self, op: Op, name: str, inputs: Sequence[int], dims: Dims, **settings: Any) -> Value:
        """The tensor of a new node whose output has these dimensions in ONNX."""
        node = Node(op, self.fresh(name), tuple(inputs), shape_of(dims), **settings)
        self.nodes.append(node)
        return Value(len(self.nodes) - 1, dims)

    def fresh(self, name: str) -> str:
        """A name that no node has and no attribute of a torch module: those have no digits."""
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "node"
        base = plain if re.search(r"\d", plain) and not plain[0].isdigit() else f"{plain}_0"
        base = f"n{base}" if base[0].isdigit() else base
        found, n = base, 1
        while found in self._names:
            n += 1
            found = f"{base}_{n}"
        self._names.add(found)
        return found

    def shaped(self, value: Value) -> int:
        """The node of a tensor in the shape that its dimensions have in a graph."""
        return self._reshaped(value.node, shape_of(value.dims))

    def _reshaped(self, node: int, shape: Shape) -> int:
        if self.nodes[node].shape == shape:
            return node
        return self.add("reshape", "reshape", [node], (1, *shape)).node

    def turned(self, x: Value) -> bool:
        """Whether channels are the last dimension of a tensor: a transpose, but for activations,
        put them there, or it has no other dimension."""
        if len(x.dims) not in (3, 4) or x.dims[0] != 1:
            return False
        *places, channels = x.dims[1:]
        node = self.nodes[x.node]
        while node.op == "activate" and not node.norm:
            node = self.nodes[node.inputs[0]]
        put = node.op == "swap" and node.shape == (prod(places), channels, 1)
        return put or prod(places) == 1

    def act(self, x: Value, act: Act, name: str = "act", slope: float = 0.01) -> Value:
        """An activation, which does not care for shapes."""
        shape = self.nodes[x.node].shape
        node = self.add("activate", name, [x.node], (1, *shape), act=act, slope=slope).node
        return Value(node, x.dims)

    def affine(self, x: Value, scale: Any, shift: Any, name: str = "scale") -> Value:
        """The tensor times `scale` plus `shift`, constants that broadcast to it."""
        terms = [np.asarray(t, np.float64) for t in (scale, shift)]
        terms = [t if np.ptp(t) else t.ravel()[:1] for t in terms]
        terms = [t.reshape((1,) * (len(x.dims) - t.ndim) + t.shape) for t in terms]
        axes = [i for i in range(len(x.dims)) if any(t.shape[i] > 1 for t in terms)]
        if not axes and not self.turned(x):
            return self._affine(x, terms, name)
        axes = axes or [len(x.dims) - 1]
        if len(axes) > 1 or x.dims[0] > 1 or not 2 <= len(x.dims) <= 4:
            flat = Value(x.node, (1, prod(x.dims)))
            terms = [np.broadcast_to(t, x.dims) for t in terms]
            return Value(self._affine(flat, terms, name).node, x.dims)
        return self.back(self._affine(self.front(x, axes[0]), terms, name), axes[0])

    def _affine(self, x: Value, terms: Sequence[Array], name: str) -> Value:
        """A scale and a shift, each a number or one for each channel."""
        c = shape_of(x.dims)[0]
        mean, var = np.zeros(c), np.full(c, 1 - BATCH_NORM_EPS)
        return self.norm(x, name, (*(t.ravel() for t in terms), mean, var), mode=CONSTANT)

    def norm(self, x: Value, name: str, terms: Sequence[Array], mode: str = "") -> Value:
        """A batch norm: `terms` are weight, bias, mean, and variance with torch's epsilon taken
        off."""
        made = self.add("activate", name, [self.shaped(x)], x.dims, norm=True, mode=mode)
        node = self.nodes[made.node]
        names = ("weight", "bias", "running_mean", "running_var")
        for key, term in zip(names, terms, strict=True):
            values = np.broadcast_to(term, node.shape[0]).astype(np.float32)
            self.weights[f"{node.name}.norm.{key}"] = values
        return made

    def permuted(self, x: Value, order: Sequence[int]) -> Value:
        """The tensor with its dimensions in another order, by swaps of neighbours."""
        dims = tuple(x.dims[i] for i in order)
        moving = [i for i in order if x.dims[i] > 1]
        groups: list[list[int]] = []
        for i in moving:
            rest = [j for j in range(groups[-1][-1] + 1, i) if x.dims[j] > 1] if groups else [i]
            if groups and i > groups[-1][-1] and not rest:
                groups[-1].append(i)
            else:
                groups.append([i])
        places = sorted(range(len(groups)), key=lambda g: groups[g][0])
        sizes = [prod(x.dims[i] for i in groups[g]) for g in places]
        wanted = [places.index(g) for g in range(len(groups))]  # source parts, in the new order
        node = x.node
        if len(groups) > 3:
            return Value(self._moved(node, sizes, wanted), dims)
        if wanted != sorted(wanted):
            node = self._reshaped(node, shape_of((1, *sizes)))
        have = list(range(len(groups)))
        for place, part in enumerate(wanted):
            at = have.index(part)
            while at > place:
                at -= 1
                have[at], have[at + 1] = have[at + 1], have[at]
                a, b, c = self.nodes[node].shape
                swapped = (b, a, c) if at == 0 else (a, c, b)
                node = self.add("swap", "swap", [node], (1, *swapped), start=at).node
        return Value(node, dims)

    def _moved(self, node: int, sizes: Sequence[int], wanted: Sequence[int]) -> int:
        """A tensor of many parts in another order. A part is moved past others with all before and
        all behind them as one: where there are both, in two swaps."""
        have = list(range(len(sizes)))
        for place, part in enumerate(wanted):
            at = have.index(part)
            if at == place:
                continue
            cuts = ((0, place), (place, at), (at, at + 1), (at + 1, len(have)))
            before, past, own, behind = (prod(sizes[i] for i in have[a:b]) for a, b in cuts)
            for shape in ((before * past, own, behind), (own, before, past * behind)):
                first, second, third = shape
                node = self._reshaped(node, shape)
                node = self.add("swap", "swap", [node], (1, second, first, third)).node
                if before == 1:
                    break
            have.insert(place, have.pop(at))
        return node

    def front(self, x: Value, axis: int) -> Value:
        """A tensor of at most four dimensions, one of which comes to where channels are."""
        rest = (i for i in range(1, len(x.dims)) if i != axis)
        return self.permuted(x, (0, axis, *rest))

    def back(self, x: Value, axis: int) -> Value:
        """The opposite of `front`."""
        order = [0, *range(2, len(x.dims))]
        order.insert(axis, 1)
        return self.permuted(x, order)


def shape_of(dims: Dims) -> Shape:
    """How a tensor stands in a graph: without the batch, padded with ones, or the last dimensions
    as one."""
    rest = dims[1:] if dims and dims[0] == 1 else dims
    if len(rest) > 3:
        rest = (*rest[:2], prod(rest[2:]))
    a, b, c = (*rest, 1, 1, 1)[:3]
    return a, b, c


def axis_of(axis: int, dims: Dims) -> int | None:
    """Where a dimension of a tensor stands in its shape in a graph; None for one that is not there
    by itself."""
    axis += len(dims) * (axis < 0)
    if not dims or dims[0] != 1 or axis < 1 or (len(dims) > 4 and axis > 2):
        return None
    return axis - 1
