"""The costs of an architecture and of its rows, memoised; `nas.graph_costs` says what counts."""

from __future__ import annotations

from functools import lru_cache

from nas.architecture import Architecture, check_architecture
from nas.blocks import Block, block_graph
from nas.graph import Shape
from nas.graph_costs import BYTES as BYTES
from nas.graph_costs import Cost as Cost
from nas.graph_costs import Precision as Precision
from nas.graph_costs import bytes_at as bytes_at
from nas.graph_costs import graph_cost as graph_cost
from nas.graph_costs import node_cost as node_cost


@lru_cache(maxsize=1 << 17)  # a large space has some 100,000 rows, counted with their shapes
def block_cost(row: Block, input_shape: Shape) -> tuple[tuple[int, int, int], Shape]:
    """The cost, as a plain tuple, and the output shape of one row, memoised.

    The garbage collector goes through every named tuple that is kept, again and again, which takes
    a quarter of the time that a new candidate does; plain tuples of numbers it lets alone.
    """
    graph = block_graph(row, input_shape)
    params, macs, peak_bytes = graph_cost(graph)
    return (params, macs, peak_bytes), graph.output_shape


def cost(arch: Architecture) -> Cost:
    """The cost of an architecture: a sum (for the peak: a maximum) of memoised lookups per row.

    Between two rows only one tensor is alive, so the peak of the whole is the largest of a row.
    """
    check_architecture(arch, "cost")
    params = macs = peak = 0
    for p, m, b in arch.walk(block_cost):
        params += p
        macs += m
        if b > peak:
            peak = b
    return Cost(params, macs, peak)
