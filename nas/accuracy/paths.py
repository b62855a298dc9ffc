"""The ways from a row's input to its output: how deep they are, and which carry anything."""

from __future__ import annotations

from math import log2
from typing import NamedTuple

from nas.graph import Graph, Node

DEEPEST = 8  # convolutions of a path beyond which they are no longer told apart


class Paths(NamedTuple):
    """Counts and shares of the live paths of a row, each path counting once.

    number: log2 of how many there are; spatial, convolutions: how many of either a path has in the
    mean; longest, deepest, shortest: the most spatial convolutions, the most and the fewest of all
    kinds; plain, single, direct: shares of the paths with no spatial convolution, with one, with no
    convolution at all; pooled: share with a pooling of stride 1; unpooled: the most convolutions of
    a path without one, a 1x1 counting half; identity: whether a path does nothing at all; blurred:
    whether every path pools; pools, pointwise: live poolings of stride 1 and 1x1 convolutions.
    """

    number: float = 0.0
    spatial: float = 0.0
    convolutions: float = 0.0
    longest: float = 0.0
    deepest: float = 0.0
    shortest: float = 0.0
    plain: float = 0.0
    single: float = 0.0
    direct: float = 0.0
    pooled: float = 0.0
    unpooled: float = 0.0
    identity: float = 0.0
    blurred: float = 0.0
    pools: float = 0.0
    pointwise: float = 0.0


Kind = tuple[float, float, bool]  # spatial convolutions, other convolutions, whether it pools


def zeros(graph: Graph) -> list[bool]:
    """Whether each node is zero whatever the input: zeros, and what only zeros reach."""
    zero: list[bool] = []
    for node in graph.nodes:
        inputs = [zero[i] for i in node.inputs]
        gate = node.op == "multiply"
        zero.append(node.op == "zero" or (bool(inputs) and (any if gate else all)(inputs)))
    return zero


def live(graph: Graph, zero: list[bool]) -> list[bool]:
    """Whether each node is neither zero (`zeros`) nor without influence on the output."""
    needed = [i == graph.output for i in range(len(graph.nodes))]
    for i in range(len(graph.nodes) - 1, -1, -1):
        if needed[i] and not zero[i]:
            for j in graph.nodes[i].inputs:
                needed[j] = True
    return [a and not b for a, b in zip(needed, zero, strict=True)]


def spatial_share(node: Node) -> float:
    """The share of the two directions in which a convolution looks around: 0, a half or 1."""
    return (node.kernel[0] > 1) / 2 + (node.kernel[1] > 1) / 2


def pools(node: Node) -> bool:
    """Whether a node blurs: a pooling that keeps the size."""
    return node.op in ("avgpool", "maxpool") and node.stride == 1


def paths(graph: Graph, zero: list[bool], alive: list[bool]) -> Paths:
    """The paths of a row, of which `zeros` and `live` nodes are known. A gate is no path: what it
    multiplies is."""
    counts = [{(0.0, 0.0, False): 1.0}]
    for i, node in enumerate(graph.nodes[1:], start=1):
        inputs = [j for j in node.inputs if not zero[j]]
        if node.op == "multiply":
            inputs = [j for j in inputs if graph.nodes[j].shape == node.shape][:1] or inputs
        counted = node.op == "conv" and node.shape[1] * node.shape[2] > 1
        share, blurs = spatial_share(node) if counted else 0.0, pools(node)
        merged: dict[Kind, float] = {}
        for j in inputs if not zero[i] else ():
            for (spatial, plain, pooled), number in counts[j].items():
                if counted:
                    spatial = min(spatial + share, DEEPEST)
                    plain = min(plain + (share == 0), DEEPEST)
                key = spatial, plain, pooled or blurs
                merged[key] = merged.get(key, 0.0) + number
        counts.append(merged)
    kinds = counts[graph.output]
    total = sum(kinds.values())
    if not total:
        return Paths()
    shares = [(*key, number / total) for key, number in kinds.items()]
    nodes = [node for node, lives in zip(graph.nodes, alive, strict=True) if lives]
    return Paths(
        number=log2(total),
        spatial=sum(n * s for s, _, _, n in shares),
        convolutions=sum(n * (s + p) for s, p, _, n in shares),
        longest=max(s for s, _, _, _ in shares),
        deepest=max(s + p for s, p, _, _ in shares),
        shortest=min(s + p for s, p, _, _ in shares),
        plain=sum(n for s, _, _, n in shares if s == 0),
        single=sum(n for s, _, _, n in shares if 0 < s <= 1),
        direct=sum(n for s, p, _, n in shares if s + p == 0),
        pooled=sum(n for _, _, pool, n in shares if pool),
        unpooled=max((s + p / 2 for s, p, pool, _ in shares if not pool), default=0.0),
        identity=float(any(s + p == 0 and not pool for s, p, pool, _ in shares)),
        blurred=float(all(pool for _, _, pool, _ in shares)),
        pools=float(sum(pools(node) for node in nodes)),
        pointwise=float(sum(node.op == "conv" and not spatial_share(node) for node in nodes)),
    )
