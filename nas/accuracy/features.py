"""What the accuracy predictor sees of a network: numbers read off its graph, no weights, no data.

A row of an architecture gives a vector of sums (channels, parameters, multiply-adds, kernels, depth,
attention, paths), memoised; a network is the sum of its rows. What cannot reach the output, and what
only zeros reach, counts as nothing.

A *stage* is how many times the last feature map fits into a layer's own, in powers of two: stage 0 has
the size of the last map, stage 1 twice that a side. A layer between two sizes is shared among both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import log2, sqrt
from typing import Any

import numpy as np

from nas.accuracy.paths import Paths, live, paths, spatial_share
from nas.architecture import Architecture
from nas.blocks import Block, block_graph
from nas.costs import node_cost
from nas.graph import Graph, Node, Shape

Vector = np.ndarray[Any, np.dtype[np.float64]]
Matrix = Vector

STAGES = 5
SMOOTH = ("hswish", "silu")
# What a row adds to each stage it has layers in.
STAGED = ("out", "spatial", "params", "macs", "layers", "kernels", "widths", "gated", "rows", "ratio")
# What it adds to the whole network.
WHOLE = (
    "params",  # of convolutions, gates included
    "macs",  # of convolutions on feature maps
    "layers",  # spatial convolutions
    "channels",  # of all convolutions on feature maps with an activation
    "smooth",  # of these, those with a smooth activation
    "reach",  # what they add to the receptive field, in shares of the image
    "rows",  # rows with a spatial convolution or branches
    "gated",  # of these, with squeeze-and-excitation or other attention
    "narrowest",  # of these, log2 of the fewest channels
    "dead",  # rows whose result is zero
    *(f"path_{name}" for name in Paths._fields),
)
_STAGED = {name: i * STAGES for i, name in enumerate(STAGED)}
_WHOLE = {name: len(STAGED) * STAGES + i for i, name in enumerate(WHOLE)}
SIZE = len(STAGED) * STAGES + len(WHOLE)


def stage_weights(size: float, last: float) -> Vector:
    """How a layer of `size` pixels a side is shared among the stages, the last map having `last`."""
    place = min(max(log2(max(size, 1) / last), 0.0), STAGES - 1.0)
    below = min(int(place), STAGES - 2)
    weights = np.zeros(STAGES)
    weights[below], weights[below + 1] = below + 1 - place, place - below
    return weights


def is_map(shape: Shape) -> bool:
    """Whether a shape is a feature map of more than one pixel."""
    return shape[1] * shape[2] > 1


@lru_cache(maxsize=1 << 17)
def row_sums(row: Block, shape: Shape, last: int) -> Vector:
    """The sums of one row, laid out as STAGED by stages, then WHOLE. Memoised; not to be written."""
    graph = block_graph(row, shape)
    alive = live(graph)
    found = np.zeros(SIZE)
    widths, gated, spatial, ratio = [], False, 0.0, 0.0
    base = shape[0] if shape[0] >= 8 else 10**9
    for i, node in enumerate(graph.nodes):
        if node.op != "conv" or not alive[i]:
            continue
        before = graph.nodes[node.inputs[0]].shape
        params, macs = node_cost(node, before)
        found[_WHOLE["params"]] += params
        weights = stage_weights(sqrt(node.shape[1] * node.shape[2]), last)
        if not is_map(node.shape):
            gated = True
            _add(found, "params", weights if is_map(shape) else 0, params)
            continue
        out, share = node.shape[0], spatial_share(node)
        side = sqrt(node.kernel[0] * node.kernel[1])
        widths.append(out)
        ratio += share * out / (base if base < 10**9 else out) * (1 + 0.1 * (side - 3) / 2)
        spatial += share
        found[_WHOLE["macs"]] += macs
        found[_WHOLE["layers"]] += share
        found[_WHOLE["channels"]] += out * (node.act is not None)
        found[_WHOLE["smooth"]] += out * (node.act in SMOOTH)
        found[_WHOLE["reach"]] += share * (side - 1) / sqrt(before[1] * before[2])
        for name, value in (
            ("out", out),
            ("spatial", out * share),
            ("params", params),
            ("macs", macs),
            ("layers", share),
            ("kernels", share * side),
            ("widths", share * log2(out)),
        ):
            _add(found, name, weights, value)
    _add_row(found, graph, alive, widths, gated, spatial, last, ratio)
    return found


def _add_row(
    found: Vector,
    graph: Graph,
    alive: Sequence[bool],
    widths: Sequence[int],
    gated: bool,
    spatial: float,
    last: int,
    ratio: float,
) -> None:
    shape = graph.output_shape
    found[_WHOLE["dead"]] = not alive[graph.output]
    branches = any(node.op in ("add", "concat") for node in graph.nodes)
    if not (spatial or branches) or not is_map(shape):
        return
    weights = stage_weights(sqrt(shape[1] * shape[2]), last)
    _add(found, "rows", weights, 1)
    _add(found, "gated", weights, float(gated))
    _add(found, "ratio", weights, ratio * (1 + 0.2 * gated))
    found[_WHOLE["rows"]] = 1
    found[_WHOLE["gated"]] = gated
    found[_WHOLE["narrowest"]] = log2(min(widths, default=shape[0]))
    for name, value in zip(Paths._fields, paths(graph), strict=True):
        found[_WHOLE[f"path_{name}"]] = value


def _add(found: Vector, name: str, weights: Vector | int, value: float) -> None:
    found[_STAGED[name] : _STAGED[name] + STAGES] += weights * value


def network_sums(arch: Architecture) -> Vector:
    """The sums of a network's rows, then what of SPLIT comes from rows that are wider than the first of
    their size, then FACTS about the whole. Errors: `ShapeError`."""
    shape, places, wider = arch.input_shape, [], []
    last, head, rows, width, size = 1, arch.channels, list(arch.rows()), 0, 0
    for row in rows:
        places.append(shape)
        found, inputs, shape = _outcome(row, shape)
        last, head = found or last, inputs or head
        if shape[1] != size:
            size, width = shape[1], shape[0]
        wider.append(shape[0] > WIDER * width)
    each = np.array([row_sums(r, s, last) for r, s in zip(rows, places, strict=True)])
    total, split = each.sum(axis=0), each[wider].sum(axis=0)
    parts = [split[_STAGED[name] : _STAGED[name] + STAGES] for name in SPLIT]
    return np.concatenate([total, *parts, (arch.resolution, last, shape[0], head)])


SPLIT = ("ratio", "rows")
WIDER = 1.2
FACTS = ("resolution", "last", "classes", "head")  # `head`: inputs of the last linear layer


@lru_cache(maxsize=1 << 17)
def _outcome(row: Block, shape: Shape) -> tuple[int, int, Shape]:
    """The size of the last map that a row's convolutions make (0: none), the inputs of its last
    layer that is none of a map, or 0, and its output shape."""
    graph = block_graph(row, shape)
    size = inputs = 0
    for node in graph.nodes:
        if node.op == "conv" and is_map(node.shape):
            size = max(node.shape[1:])
        if node.op == "linear":
            inputs = graph.nodes[node.inputs[0]].shape[0]
        elif node.op == "gap" and node.inputs[0] == graph.output:
            inputs = node.shape[0]
    return (size if is_map(graph.output_shape) else 0), inputs, graph.output_shape
