"""int8: what an integer of each tensor of a network stands for, the same in every file format.

A value is scale * (q - zero), with q in -128 … 127. Weights are symmetric with a scale for each
output channel, as LiteRT and TFLite Micro require. What moves values (pooling, slices, shuffles)
keeps the scale of what it moves, and a concatenation's inputs take its scale where nothing else
reads them, so that no runtime has to rescale them.

Tensors have the names of the ONNX model: `image`; a node's name; behind it, after a dot, its
activation, and for SiLU also `silu.gate`; sums of more than two are `NAME`, `NAME.1`, …
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nas.graph import Graph, Node

LOWEST, HIGHEST = -128, 127
LARGEST_BIAS = np.float32(2**30)
INT8_DEVIATION = 73.0  # of uniformly distributed int8 weights
MOVES = ("maxpool", "avgpool", "slice", "slice_rows", "swap", "shuffle")
JOINS = ("concat", "concat_rows")
FUSED = ("relu", "relu6")  # computed by clamping what the operation before them gives

Range = tuple[float, float]
Ranges = Mapping[str, Range]  # the lowest and highest value of a tensor, by its name


class Scale(NamedTuple):
    """The quantisation of one tensor."""

    scale: float
    zero: int

    def quantised(self, values: npt.ArrayLike) -> npt.NDArray[np.int8]:
        """The nearest integers."""
        whole = np.rint(np.asarray(values, np.float64) / self.scale) + self.zero
        return np.asarray(np.clip(whole, LOWEST, HIGHEST), np.int8)


# Ranges that fix themselves, and those of a network without calibration, which is only timed.
SIGMOID = Scale(1 / 256, LOWEST)  # LiteRT computes a sigmoid with no other
TANH = Scale(1 / 128, 0)  # nor a tanh
FIXING = {"sigmoid": SIGMOID, "tanh": TANH}
SIGNED = Scale(8 / 127, 0)
FIXED = {
    "relu": Scale(8 / 255, LOWEST),
    "relu6": Scale(6 / 255, LOWEST),
    "hsigmoid": Scale(1 / 255, LOWEST),
}


def scale_of(bounds: Range, symmetric: bool = False) -> Scale:
    """The scale of values within `bounds`, which are widened to hold 0; `symmetric` puts the zero
    at 0, as TensorRT requires. What is always 0 has any: runtimes refuse a minute one."""
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    if low == high:
        high = 1.0
    if symmetric:
        return Scale(max(-low, high) / HIGHEST, 0)
    scale = (high - low) / (HIGHEST - LOWEST)
    return Scale(scale, round(LOWEST - low / scale))


def weight_scales(weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A scale for each output channel, the first axis; for weights that are all zero, which stand
    for any others, that of newly initialised ones."""
    if not weight.any():
        fan = prod(weight.shape[1:])
        return np.full(weight.shape[0], (2 / fan) ** 0.5 / INT8_DEVIATION, np.float32)
    largest = np.abs(weight.reshape(len(weight), -1)).max(1)
    return np.asarray(np.maximum(largest, 1e-6) / HIGHEST, np.float32)


def quantised_layer(
    weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32] | None, step: float
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """int8 weights, their scale for each output channel, and int32 biases in units of that scale
    times the input's `step`. A channel whose weights are tiny beside its bias has a larger scale,
    with which the bias fits."""
    steps = weight_scales(weight)
    given = np.zeros(len(weight), np.float32) if bias is None else bias
    steps = np.maximum(steps, np.abs(given) / (np.float32(step) * LARGEST_BIAS))
    whole = np.rint(weight / steps.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.int8)
    offsets = np.rint(given / (steps.astype(np.float64) * step)).astype(np.int32)
    return whole, steps, offsets


def inner_name(node: Node) -> str:
    """The name of what a node computes before its activation."""
    extra = len(node.inputs) - 2 if node.op == "add" else 0
    return f"{node.name}.{extra}" if extra > 0 else node.name


def does_nothing(node: Node) -> bool:
    """Whether a node without a norm only gives its input a second index."""
    return node.act is None and (
        node.op == "activate" or (node.op == "add" and len(node.inputs) == 1)
    )


def tensor_names(graph: Graph) -> list[str]:
    """The name of each node's output: what other nodes read."""
    names = ["image"]
    for node in graph.nodes[1:]:
        if node.act is not None:
            names.append(f"{node.name}.{node.act}")
        elif does_nothing(node):
            names.append(names[node.inputs[0]])  # it does nothing
        else:
            names.append(inner_name(node))
    return names


def scales(
    graph: Graph, ranges: Ranges | None = None, *, symmetric: bool = False
) -> dict[str, Scale]:
    """The scale of every tensor of a graph without norms, by its name.

    `ranges` are the tensors'; what they lack has a fixed one, as have sigmoid and tanh, unless all
    are `symmetric`: int8 with its zero at 0.
    """
    known, names = ranges or {}, tensor_names(graph)

    def own(name: str, act: str | None = None) -> Scale:
        if name in known and (symmetric or act not in FIXING):
            return scale_of(known[name], symmetric)
        fixed = (FIXING | FIXED).get(act or "", SIGNED)
        if symmetric and fixed.zero:
            return Scale(fixed.scale * 255 / HIGHEST, 0)
        return fixed

    joins = {i: own(names[i]) for i, node in enumerate(graph.nodes) if node.op in JOINS}
    taken = _taken(graph, joins)
    found = {"image": own("image")}
    for i, node in enumerate(graph.nodes[1:], start=1):
        if does_nothing(node):
            continue
        inner = inner_name(node)
        if node.op in MOVES:
            found[inner] = found[names[node.inputs[0]]]
        elif node.act is not None and node.act not in FUSED:
            found[inner] = own(inner)
        if node.op == "add":
            for part in (node.name, *(f"{node.name}.{k}" for k in range(1, len(node.inputs) - 2))):
                found.setdefault(part, own(part))
        if node.act == "silu":
            found[f"{node.name}.silu.gate"] = own(f"{node.name}.silu.gate", "sigmoid")
        if node.op not in MOVES or node.act is not None:
            found[names[i]] = joins[taken[i]] if i in taken else own(names[i], node.act)
    return found


def _taken(graph: Graph, joins: Mapping[int, Scale]) -> dict[int, int]:
    """By the index of a node, the index of the concatenation whose scale its output takes."""
    readers = Counter(j for node in graph.nodes for j in node.inputs)
    readers[graph.output] += 1
    taken: dict[int, int] = {}

    def may(j: int, root: int) -> bool:
        act = graph.nodes[j].act
        # A runtime clamps at the lowest integer, so a ReLU's 0 must be that.
        fits = joins[root].zero == LOWEST if act in FUSED else act not in FIXING
        return j > 0 and readers[j] == 1 and fits

    for i, node in reversed(list(enumerate(graph.nodes))):
        passes = node.act is None and (node.op in MOVES or does_nothing(node))
        if node.op in JOINS or (passes and i in taken):
            root = taken.setdefault(i, i)
            taken |= {j: root for j in node.inputs if may(j, root)}
            if passes and node.inputs[0] not in taken:
                del taken[i]
    return taken
