"""The cell of NAS-Bench-201 (Dong and Yang 2020): four nodes, an operation on every edge."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, assert_never, get_args

from nas.blocks.registry import block
from nas.graph import Builder
from nas.support.errors import NasError, one_of

NODES = 4  # the input and three sums
Edge = Literal["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
EDGES: tuple[Edge, ...] = get_args(Edge)
PLAIN = "+".join(
    f"|{'|'.join(f'nor_conv_3x3~{source}' for source in range(node))}|" for node in range(1, NODES)
)


@block("cell")
def cell(net: Builder, x: int, *, genotype: str = PLAIN) -> int:
    """Each node is the sum of its edges, an edge being ReLU-convolution-norm, 3x3 average pooling,
    the identity or zeros. `genotype` is NAS-Bench-201's own text.

    Every edge is executed, zeros and what reads them too, as in the published networks, so that
    parameters and multiply-adds are the published ones. Pooling counts padded zeros, which there it
    does not: that changes values at the border and no cost.
    """
    values = [x]
    for edges in edges_of(genotype):
        terms = [_edge(net, op, values[i]) for i, op in enumerate(edges)]
        values.append(net.add(*terms) if len(terms) > 1 else terms[0])
    return values[-1]


@lru_cache(maxsize=1 << 15)
def edges_of(genotype: str) -> tuple[tuple[Edge, ...], ...]:
    """The operations of each node after the input, one for each earlier node in order.

    Errors: `NasError` naming the node, the value and the rule.
    """
    nodes = genotype.split("+")
    if len(nodes) != NODES - 1:
        raise NasError(f"cell {genotype!r:.80}: {len(nodes)} nodes, not {NODES - 1} joined by '+'")
    edges = []
    for number, node in enumerate(nodes, 1):
        pairs = re.findall(r"([^|~]*)~(\d+)", node)
        sources = [int(source) for _, source in pairs]
        if node != f"|{'|'.join(f'{op}~{i}' for op, i in pairs)}|" or sources != [*range(number)]:
            form = f"|{'|'.join(f'op~{i}' for i in range(number))}|"
            raise NasError(f"cell: node {number} must be {form}, not {node!r:.80}")
        edges.append(tuple(_known(op, number) for op, _ in pairs))
    return tuple(edges)


def _known(op: str, number: int) -> Edge:
    if op not in EDGES:
        raise one_of(f"operation of cell node {number}", op, EDGES)
    return op


def _edge(net: Builder, op: Edge, x: int) -> int:
    match op:
        case "none":
            return net.zero(x)
        case "skip_connect":
            return x
        case "nor_conv_1x1":
            return net.conv(net.activate(x), net.channels(x), kernel=1, act=None, name=op)
        case "nor_conv_3x3":
            return net.conv(net.activate(x), net.channels(x), kernel=3, act=None, name=op)
        case "avg_pool_3x3":
            return net.avgpool(x, kernel=3, stride=1, padding=1)
        case other:
            assert_never(other)


@block("cell_reduce")
def cell_reduce(net: Builder, x: int, *, out: int) -> int:
    """NAS-Bench-201's residual block between two stages, which halves the size:
    ReLU-convolution-norm twice, 3x3, beside an average pooling and a 1x1 without norm."""
    h = net.conv(net.activate(x), out, kernel=3, stride=2, act=None, name="conv1")
    h = net.conv(net.activate(h), out, kernel=3, act=None, name="conv2")
    pooled = net.avgpool(x, kernel=2, stride=2, padding=0)
    shortcut = net.conv(pooled, out, norm=False, act=None, bias=False, name="shortcut")
    return net.add(h, shortcut)
