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

from nas.accuracy.paths import Paths, live, paths
from nas.architecture import Architecture
from nas.blocks import Block, block_graph
from nas.costs import node_cost
from nas.graph import Graph, Node, Shape

Vector = np.ndarray[Any, np.dtype[np.float64]]
Matrix = Vector

STAGES = 5
# What a row adds to each stage it has layers in.
STAGED = ("out", "spatial", "params", "macs", "layers", "kernels", "gated", "rows")
# What it adds to the whole network.
WHOLE = (
    "params",  # of convolutions, gates included
    "macs",  # of convolutions on feature maps
    "log_width",  # sum of log2 channels of spatial convolutions
    "layers",  # spatial convolutions
    "reach",  # what they add to the receptive field, in shares of the image
    "rows",  # rows with a spatial convolution
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
    widths, gated, spatial = [], False, 0.0
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
        spatial += share
        found[_WHOLE["macs"]] += macs
        found[_WHOLE["layers"]] += share
        found[_WHOLE["log_width"]] += share * log2(out)
        found[_WHOLE["reach"]] += share * (side - 1) / sqrt(before[1] * before[2])
        for name, value in (
            ("out", out),
            ("spatial", out * share),
            ("params", params),
            ("macs", macs),
            ("layers", share),
            ("kernels", share * side),
        ):
            _add(found, name, weights, value)
    _add_row(found, graph, alive, widths, gated, spatial, last)
    return found


def _add_row(
    found: Vector,
    graph: Graph,
    alive: Sequence[bool],
    widths: Sequence[int],
    gated: bool,
    spatial: float,
    last: int,
) -> None:
    shape = graph.output_shape
    found[_WHOLE["dead"]] = not alive[graph.output]
    if not spatial or not is_map(shape):
        return
    weights = stage_weights(sqrt(shape[1] * shape[2]), last)
    _add(found, "rows", weights, 1)
    _add(found, "gated", weights, float(gated))
    found[_WHOLE["rows"]] = 1
    found[_WHOLE["gated"]] = gated
    found[_WHOLE["narrowest"]] = log2(min(widths))
    for name, value in zip(Paths._fields, paths(graph), strict=True):
        found[_WHOLE[f"path_{name}"]] = value


def _add(found: Vector, name: str, weights: Vector | int, value: float) -> None:
    found[_STAGED[name] : _STAGED[name] + STAGES] += weights * value


def spatial_share(node: Node) -> float:
    """1 for a convolution that looks around in both directions, half for one that does in one."""
    return (node.kernel[0] > 1) / 2 + (node.kernel[1] > 1) / 2
