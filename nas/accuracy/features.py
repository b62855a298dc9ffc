"""What the accuracy predictor sees of a network: numbers read off its graph, no weights, no data.

A row of an architecture gives a vector of sums (channels, parameters, multiply-adds, kernels,
depth, attention, paths), memoised; a network is the sum of its rows. What cannot reach the output,
and what only zeros reach, counts as nothing.

A *stage* is how many times the last feature map fits into a layer's own, in powers of two: stage 0
has the size of the last map, stage 1 twice that a side. A layer between two sizes is shared among
both.
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
from nas.graph import Graph, Shape
from nas.resolution import mean_side

Vector = np.ndarray[Any, np.dtype[np.float64]]
Matrix = Vector

STAGES = 5
SMOOTH = ("hswish", "silu")
KERNEL_BONUS, GATE_BONUS = 0.05, 0.2  # of a ratio, for a pixel more of kernel side and for a gate
FEW = 8  # input channels below which a ratio to them means nothing: an image's
# What a row adds to each stage it has layers in.
STAGED = (
    "out",  # channels of convolutions
    "spatial",  # of these, those of spatial convolutions
    "layers",  # spatial convolutions
    "kernels",  # of these, log2 of the kernel's side
    "widths",  # of these, log2 of the channels
    "rows",  # rows with a spatial convolution or branches
    "gated",  # of these, with squeeze-and-excitation or other attention
    "ratio",  # channels of spatial convolutions to the row's input: expansion, or plain layers
)
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
    "narrowest",  # log2 of the fewest channels in any of these
    "throat",  # one by the channels that everything passes, times the side in last maps
    "dead",  # rows whose result is zero
    *(f"path_{name}" for name in Paths._fields),
)
_STAGED = {name: i * STAGES for i, name in enumerate(STAGED)}
_WHOLE = {name: len(STAGED) * STAGES + i for i, name in enumerate(WHOLE)}
SIZE = len(STAGED) * STAGES + len(WHOLE)


def stage_weights(size: float, last: float) -> Vector:
    """How a layer of `size` pixels a side is shared among the stages; the last map has `last`."""
    stage = min(max(log2(max(size, 1) / last), 0.0), STAGES - 1.0)
    below = min(int(stage), STAGES - 2)
    weights = np.zeros(STAGES)
    weights[below], weights[below + 1] = below + 1 - stage, stage - below
    return weights


def is_map(shape: Shape) -> bool:
    """Whether a shape is a feature map of more than one pixel."""
    return shape[1] * shape[2] > 1


@lru_cache(maxsize=1 << 17)
def row_sums(row: Block, shape: Shape, last: float) -> Vector:
    """The sums of one row: STAGED by stages, then WHOLE. Memoised, so not to be written to."""
    graph = block_graph(row, shape)
    alive = live(graph)
    sums = np.zeros(SIZE)
    widths, ratio, gated = [], 0.0, False
    for node, lives in zip(graph.nodes, alive, strict=True):
        if node.op != "conv" or not lives:
            continue
        before = graph.nodes[node.inputs[0]].shape
        weights = stage_weights(sqrt(node.shape[1] * node.shape[2]), last)
        params, macs = node_cost(node, before)
        sums[_WHOLE["params"]] += params
        if not is_map(node.shape):
            gated = True
            continue
        out, share = node.shape[0], spatial_share(node)
        side = sqrt(node.kernel[0] * node.kernel[1])
        widths.append(out)
        base = shape[0] if shape[0] >= FEW else out
        ratio += share * out / base * (1 + KERNEL_BONUS * (side - 3))
        for name, value in (
            ("macs", macs),
            ("layers", share),
            ("channels", out * (node.act is not None)),
            ("smooth", out * (node.act in SMOOTH)),
            ("reach", share * (side - 1) / sqrt(before[1] * before[2])),
        ):
            sums[_WHOLE[name]] += value
        for name, value in (
            ("out", out),
            ("spatial", out * share),
            ("layers", share),
            ("kernels", share * log2(side)),
            ("widths", share * log2(out)),
        ):
            _add(sums, name, weights, value)
    sums[_WHOLE["dead"]] = not alive[graph.output]
    branches = any(node.op in ("add", "concat") for node in graph.nodes)
    if is_map(graph.output_shape) and (sums[_WHOLE["layers"]] or branches):
        _add_row(sums, graph, widths, ratio, gated, last)
    return sums


def _add_row(
    sums: Vector, graph: Graph, widths: Sequence[int], ratio: float, gated: bool, last: float
) -> None:
    """What a row counts for as a whole."""
    channels, height, width = graph.output_shape
    weights = stage_weights(sqrt(height * width), last)
    _add(sums, "rows", weights, 1)
    _add(sums, "gated", weights, gated)
    _add(sums, "ratio", weights, ratio * (1 + GATE_BONUS * gated))
    sums[_WHOLE["rows"]] = 1
    sums[_WHOLE["gated"]] = gated
    sums[_WHOLE["narrowest"]] = log2(min(widths, default=channels))
    ways = paths(graph)
    bypassed = ways.number > 0 and ways.shortest <= 1
    passed = channels if bypassed else min(widths, default=channels)
    sums[_WHOLE["throat"]] = last / (passed * sqrt(height * width))
    for name, value in zip(Paths._fields, ways, strict=True):
        sums[_WHOLE[f"path_{name}"]] = value


def _add(sums: Vector, name: str, weights: Vector, value: float) -> None:
    sums[_STAGED[name] : _STAGED[name] + STAGES] += weights * value


# Sums that are kept apart for rows that are WIDER than the first of their size, by so much.
SPLIT = ("ratio", "rows")
WIDER = 1.2
FACTS = ("resolution", "last", "classes", "head")  # `head`: inputs of the last linear layer


def network_sums(arch: Architecture) -> Vector:
    """The sums of a network's rows, then those of SPLIT over the wider rows, then FACTS.

    Errors: `ShapeError` for a network that cannot be built.
    """
    rows = list(arch.rows())
    shapes, last, classes, head = _input_shapes(arch.input_shape, rows)
    size, width = (0, 0), 0
    wider = []
    for shape in [*shapes[1:], (classes, 1, 1)]:
        if shape[1:] != size:
            size, width = shape[1:], shape[0]
        wider.append(shape[0] > WIDER * width)
    each = np.array([row_sums(row, shape, last) for row, shape in zip(rows, shapes, strict=True)])
    split = each[wider].sum(axis=0)
    parts = [split[_STAGED[name] : _STAGED[name] + STAGES] for name in SPLIT]
    facts = mean_side(arch.resolution), last, classes, head
    return np.concatenate([each.sum(axis=0), *parts, facts])


def summed_rows(arch: Architecture) -> list[tuple[Shape, float]]:
    """The input shape of every row and the size of the last map: what `row_sums` wants."""
    shapes, last, _, _ = _input_shapes(arch.input_shape, list(arch.rows()))
    return [(shape, last) for shape in shapes]


def _input_shapes(shape: Shape, rows: Sequence[Block]) -> tuple[list[Shape], float, int, int]:
    """Every row's input shape; the size of the last map, the outputs, the last layer's inputs."""
    shapes, last, head = [], 1.0, shape[0]
    for row in rows:
        shapes.append(shape)
        size, inputs, shape = _outcome(row, shape)
        last, head = size or last, inputs or head
    return shapes, last, shape[0], head


@lru_cache(maxsize=1 << 17)
def _outcome(row: Block, shape: Shape) -> tuple[float, int, Shape]:
    """The size of the last map that a row's convolutions make (0: none), the inputs of its last
    layer that is none of a map, or 0, and its output shape."""
    graph = block_graph(row, shape)
    size, inputs = 0.0, 0
    for node in graph.nodes:
        if node.op == "conv" and is_map(node.shape):
            size = sqrt(node.shape[1] * node.shape[2])
        if node.op == "linear":
            inputs = graph.nodes[node.inputs[0]].shape[0]
        elif node.op == "gap" and node.inputs[0] == graph.output:
            inputs = node.shape[0]
    return (size if is_map(graph.output_shape) else 0), inputs, graph.output_shape
