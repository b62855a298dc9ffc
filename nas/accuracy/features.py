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
from typing import Any, NamedTuple

import numpy as np

from nas.accuracy.paths import Paths, live, paths, spatial_share, zeros
from nas.architecture import Architecture
from nas.blocks import Block, block_graph
from nas.costs import node_cost
from nas.graph import Shape
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
    "power",  # square roots of convolutions' weights: what a filter sees times how many there are
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
SIZE = len(STAGED) * STAGES + len(WHOLE)


class Weights(NamedTuple):
    """How a layer is shared among two neighbouring stages: the lower and what each has of it."""

    below: int
    lower: float
    upper: float


@lru_cache(maxsize=4096)
def stage_weights(area: int, last: float) -> Weights:
    """How a layer of `area` pixels is shared among the stages; the last map has `last` a side."""
    stage = min(max(log2(max(sqrt(area), 1) / last), 0.0), STAGES - 1.0)
    below = min(int(stage), STAGES - 2)
    return Weights(below, below + 1 - stage, stage - below)


def is_map(shape: Shape) -> bool:
    """Whether a shape is a feature map of more than one pixel."""
    return shape[1] * shape[2] > 1


@lru_cache(maxsize=1 << 17)
def row_sums(row: Block, shape: Shape, last: float) -> Vector:
    """The sums of one row: STAGED by stages, then WHOLE. Memoised, so not to be written to."""
    graph = block_graph(row, shape)
    zero = zeros(graph)
    alive = live(graph, zero)
    sums = _Sums()
    widths, ratio, gated = [], 0.0, False
    for node, lives in zip(graph.nodes, alive, strict=True):
        if node.op != "conv" or not lives:
            continue
        before = graph.nodes[node.inputs[0]].shape
        params, macs = node_cost(node, before)
        sums.whole["params"] += params
        if not is_map(node.shape):
            gated = True
            continue
        out, share = node.shape[0], spatial_share(node)
        side = sqrt(node.kernel[0] * node.kernel[1])
        widths.append(out)
        base = shape[0] if shape[0] >= FEW else out
        ratio += share * out / base * (1 + KERNEL_BONUS * (side - 3))
        sums.whole["macs"] += macs
        sums.whole["layers"] += share
        sums.whole["channels"] += out * (node.act is not None)
        sums.whole["smooth"] += out * (node.act in SMOOTH)
        sums.whole["reach"] += share * (side - 1) / sqrt(before[1] * before[2])
        weights = stage_weights(node.shape[1] * node.shape[2], last)
        sums.add("out", weights, out)
        sums.add("power", weights, sqrt(params))
        if share:
            sums.add("spatial", weights, out * share)
            sums.add("layers", weights, share)
            sums.add("kernels", weights, share * log2(side))
            sums.add("widths", weights, share * log2(out))
    sums.whole["dead"] = not alive[graph.output]
    branches = any(node.op in ("add", "concat") for node in graph.nodes)
    if is_map(graph.output_shape) and (sums.whole["layers"] or branches):
        channels, height, width = graph.output_shape
        weights = stage_weights(height * width, last)
        sums.add("rows", weights, 1)
        sums.add("gated", weights, gated)
        sums.add("ratio", weights, ratio * (1 + GATE_BONUS * gated))
        narrowest = min(widths, default=channels)
        ways = paths(graph, zero, alive)
        passed = channels if ways.number > 0 and ways.shortest <= 1 else narrowest
        sums.whole |= {
            "rows": 1,
            "gated": gated,
            "narrowest": log2(narrowest),
            "throat": last / (passed * sqrt(height * width)),
            **{f"path_{name}": value for name, value in zip(Paths._fields, ways, strict=True)},
        }
    return sums.vector()


class _Sums:
    """The sums of a row while they are made."""

    def __init__(self) -> None:
        self.staged = [0.0] * (len(STAGED) * STAGES)
        self.whole: dict[str, float] = dict.fromkeys(WHOLE, 0.0)

    def add(self, name: str, weights: Weights, value: float) -> None:
        at = _STAGED[name] + weights.below
        self.staged[at] += weights.lower * value
        self.staged[at + 1] += weights.upper * value

    def vector(self) -> Vector:
        return np.array([*self.staged, *self.whole.values()], float)


# Sums that are kept apart for rows that are WIDER than the first of their size, by so much.
SPLIT = ("ratio", "rows")
WIDER = 1.2
# `head`: inputs of the last linear layer; `colours`: channels of the images.
FACTS = ("resolution", "last", "classes", "head", "colours")


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
    facts = mean_side(arch.resolution), last, classes, head, arch.channels
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
