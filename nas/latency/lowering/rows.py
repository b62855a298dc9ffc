"""What a runtime makes of a network: the kernels of each row, by the name of a lowering.

`fused` is what every runtime does, see `nas.latency.lowering.kernels`; `nchwc16` and `nchwc8` are
onnxruntime's on processors with vectors of that many floats, see `nas.latency.lowering.nchwc`;
`openvino` is that of OpenVINO's CPU plugin, which fuses more activations; `ethos-u`
is that of Arm's NPUs, which add by themselves and concatenate and split for nothing.
"""

from __future__ import annotations

from typing import Final, Literal

from nas.architecture import Architecture
from nas.blocks import Block, block_graph
from nas.graph import ACTIVATIONS, Graph, Shape
from nas.imported import Network
from nas.latency.lowering.kernels import Fusion, Kernel, node_kernels, row_kernels
from nas.latency.lowering.nchwc import Lowered, lower_nodes, lower_row, to_planar

Lowering = Literal["fused", "nchwc16", "nchwc8", "openvino", "ethos-u"]
NEUTRAL: Final = "fused"
FUSIONS: dict[Lowering, Fusion] = {
    "fused": Fusion(),
    "openvino": Fusion((None, "relu", "relu6", "sigmoid", "hswish", "silu"), splits=True),
    "ethos-u": Fusion((None, *ACTIVATIONS), adds=False, free=("concat", "slice")),
}
BLOCKS: dict[Lowering, int] = {"nchwc16": 16, "nchwc8": 8}


def lowered_row(lowering: Lowering, row: Block, input_shape: Shape, blocked: bool) -> Lowered:
    """The kernels of one row, whose input is in the runtime's own layout or not."""
    if lowering in FUSIONS:
        executed = row_kernels(row, input_shape, FUSIONS[lowering])
        return Lowered(executed, False, block_graph(row, input_shape).output_shape)
    return lower_row(row, input_shape, blocked, BLOCKS[lowering])


def lowered_output(lowering: Lowering, shape: Shape, blocked: bool) -> tuple[Kernel, ...]:
    """What it takes to give the network's output to whoever called it."""
    return (to_planar(shape, BLOCKS[lowering]),) if blocked else ()


def typical_layout(lowering: Lowering, shape: Shape) -> bool:
    """Whether a row's input of that shape is most often in the runtime's own layout."""
    return lowering in BLOCKS and shape[0] >= BLOCKS[lowering]


def graph_kernels(graph: Graph, lowering: Lowering = NEUTRAL) -> list[list[Kernel]]:
    """The kernels of each node of a graph but its input; what it takes to give the output to
    whoever called belongs to the last one."""
    if lowering in FUSIONS:
        return node_kernels(graph, FUSIONS[lowering])
    return lower_nodes(graph, BLOCKS[lowering])


def network_kernels(network: Network, lowering: Lowering = NEUTRAL) -> tuple[Kernel, ...]:
    """The kernels of a network: of an architecture row by row, as they are predicted."""
    if not isinstance(network, Architecture):
        return tuple(k for each in graph_kernels(network.graph(), lowering) for k in each)
    arch, executed = network, list[Kernel]()
    shape, blocked = arch.input_shape, False
    for row in arch.rows():
        kernels, blocked, shape = lowered_row(lowering, row, shape, blocked)
        executed += kernels
    return (*executed, *lowered_output(lowering, shape, blocked))
