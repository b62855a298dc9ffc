"""The memory that a network takes on an Ethos-U NPU, as Arm's compiler lays it out.

Feature maps are int8 with channels padded to 16. While a layer runs, its weights are in SRAM if
they are read more than once, as are those of the layer after it; others come from flash as they are
needed. The numbers below were fitted to Vela 5.2 on networks of the space `tiny` with random
weights; see `scripts/npu_memory.py`.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import NamedTuple

from nas.architecture import Architecture
from nas.blocks import Block, block_graph
from nas.graph import Graph, Node, Shape

PADDED = 16
# Weights are kept in SRAM where a layer has more pixels than these: a convolution, a depthwise one.
# Of convolutions with just as many, those with few bytes of weights are.
PIXELS, PIXELS_DEPTHWISE, FEW_BYTES = 64, 16, 2300


class Encoding(NamedTuple):
    """How weights are stored: bytes of a weight, of a channel with its scale and bias, and of the
    commands of a network."""

    weight: float
    channel: float
    base: float


ENCODINGS = {
    "ethos-u55": Encoding(0.95, 17.6, 1000),
    "ethos-u65": Encoding(0.95, 17.6, 1000),
    "ethos-u85": Encoding(1.02, 15.4, 2500),
    "ethos-u85-1024": Encoding(1.02, 18.6, 4280),
    "ethos-u85-2048": Encoding(1.05, 17.5, 5130),
}


class Memory(NamedTuple):
    """Bytes of SRAM at the most, and of flash."""

    sram_bytes: float
    flash_bytes: float


class RowMemory(NamedTuple):
    """Of one row: its largest use of SRAM, the weights that its first layer keeps there, what its
    last layer uses, the bytes in flash, and the shape of the output."""

    peak: float
    first: float
    last: float
    flash: float
    output: Shape


def network_memory(arch: Architecture, npu: str) -> Memory:
    """The memory of a network, from that of its rows, on an NPU or a kind of them: one of
    `ENCODINGS`."""
    sram, flash, before = 0.0, ENCODINGS[npu].base, 0.0
    shape = arch.input_shape
    for i, row in enumerate(arch.rows()):
        part = row_memory(row, shape, npu, i == 0)
        sram = max(sram, part.peak, before + part.first)
        flash += part.flash
        before, shape = part.last, part.output
    return Memory(sram, flash)


@lru_cache(maxsize=1 << 16)
def row_memory(row: Block, input_shape: Shape, npu: str, image: bool = False) -> RowMemory:
    """The memory of one row; `image` says that its input is the image, which is not padded."""
    graph = block_graph(row, input_shape)
    nodes, size = graph.nodes, []
    last_use = _last_use(graph)
    live, used, kept, flash = 0, [], [], 0.0
    for i, node in enumerate(nodes):
        whole = prod(node.shape) if image and i == 0 else _stored(node.shape)
        size.append(whole)
        dying = [j for j in set(node.inputs) if last_use[j] == i]
        if node.op == "add" and any(size[j] == whole for j in dying):
            live -= whole  # it writes where it reads
        live += whole
        if i:
            source = nodes[node.inputs[0]].shape
            weights = _weights(node, source, ENCODINGS[npu])
            flash += weights
            kept.append(weights if _keeps(node, source, weights) else 0.0)
            used.append(live + kept[-1])
        if node.op == "add" and any(size[j] == whole for j in dying):
            live += whole
        live -= sum(size[j] for j in dying)
    if not used:
        return RowMemory(size[0], 0.0, size[0], 0.0, graph.output_shape)
    pairs = (now + after for now, after in zip(used, [*kept[1:], 0.0], strict=True))
    return RowMemory(max(pairs), kept[0], used[-1], flash, graph.output_shape)


def _last_use(graph: Graph) -> list[int]:
    last = list(range(len(graph.nodes)))
    for i, node in enumerate(graph.nodes):
        for j in node.inputs:
            last[j] = i
    last[graph.output] = len(graph.nodes)
    return last


def _stored(shape: Shape) -> int:
    """The bytes of a feature map in SRAM."""
    c, h, w = shape
    return -(-c // PADDED) * PADDED * h * w


def _weights(node: Node, shape: Shape, encoding: Encoding) -> float:
    """The bytes of a layer's weights, scales and biases."""
    if node.op not in ("conv", "linear"):
        return 0.0
    inputs = prod(shape) if node.op == "linear" else shape[0] // node.groups * prod(node.kernel)
    return node.shape[0] * (encoding.weight * inputs + encoding.channel)


def _keeps(node: Node, shape: Shape, weights: float) -> bool:
    """Whether a layer's weights are kept in SRAM while it runs."""
    pixels = node.shape[1] * node.shape[2]
    if node.op != "conv":
        return False
    if node.groups == shape[0] > 1:
        return pixels > PIXELS_DEPTHWISE
    return pixels > PIXELS or (pixels == PIXELS and weights <= FEW_BYTES)
