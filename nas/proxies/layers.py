"""A network's dataflow as plain data, read off our own graph or off any traced module alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple

from nas.graph import Graph

CONV, LINEAR, ACTIVATION, GATE, NORM, MULTIPLY, OTHER = (
    "conv", "linear", "activation", "gate", "norm", "multiply", "other",
)  # fmt: skip
GATES = ("sigmoid", "hsigmoid")


class Layer(NamedTuple):
    """One operation of a network for one image.

    `inputs` are indices of earlier layers, of which 0 is the network's input. `weight` is the shape
    (out, in / groups, kernel height, kernel width) of a convolution or (out, in) of a linear layer,
    and empty for the others.
    """

    op: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    weight: tuple[int, ...] = ()

    @property
    def macs(self) -> int:
        return prod(self.weight) * prod(self.shape[1:]) if self.weight else 0

    @property
    def is_map(self) -> bool:
        """Whether it gives a feature map of more than one pixel."""
        return len(self.shape) == 3 and self.shape[1] * self.shape[2] > 1


def from_graph(graph: Graph) -> tuple[Layer, ...]:
    """The layers of our own graph, where one node is convolution, norm and activation."""
    found: list[Layer] = []
    places: list[int] = []  # of each node's result
    for node in graph.nodes:
        inputs = tuple(places[i] for i in node.inputs)
        weight: tuple[int, ...] = ()
        c_in = graph.nodes[node.inputs[0]].shape[0] if node.inputs else 0
        op = node.op if node.op in (CONV, LINEAR, MULTIPLY) else OTHER
        if op == CONV:
            weight = (node.shape[0], c_in // node.groups, *node.kernel)
        elif op == LINEAR:
            weight = (node.shape[0], prod(graph.nodes[node.inputs[0]].shape))
        found.append(Layer(op, inputs, node.shape, weight))
        if node.norm:
            found.append(Layer(NORM, (len(found) - 1,), node.shape))
        if node.act is not None:
            op = GATE if node.act in GATES else ACTIVATION
            found.append(Layer(op, (len(found) - 1,), node.shape))
        places.append(len(found) - 1)
    return tuple(found)


def convolutions(layers: Iterable[Layer]) -> list[Layer]:
    """The convolutions of feature maps: neither squeeze-and-excite nor a classifier's."""
    return [layer for layer in layers if layer.op == CONV and layer.is_map]


def cuts(layers: Sequence[Layer], output: int) -> list[int]:
    """The layers that every path from input to output passes, in order.

    They are where a network falls into blocks, whoever wrote it and however its modules nest: the
    sum that ends a residual block is one, a convolution beside a shortcut is not.
    """
    reached = [True] + [False] * (len(layers) - 1)
    for i, layer in enumerate(layers[1:], start=1):
        reached[i] = any(reached[j] for j in layer.inputs)
    needed = [i == output for i in range(len(layers))]
    for i in range(len(layers) - 1, -1, -1):
        if needed[i]:
            for j in layers[i].inputs:
                needed[j] = True
    last_use = [0] * len(layers)
    for i, layer in enumerate(layers):
        if reached[i] and needed[i]:
            for j in layer.inputs:
                last_use[j] = i
    found, horizon = [], 0
    for i in range(len(layers)):
        if not (reached[i] and needed[i]):
            continue
        if horizon <= i:
            found.append(i)
        horizon = max(horizon, last_use[i])
    return found


def block_ends(layers: Sequence[Layer], output: int) -> list[int]:
    """The feature maps between blocks: of the cuts between two convolutions, the last.

    It is what the next block reads; after the last convolution it is what the pooling reads.
    """
    convs = [0] * len(layers)  # up to and with each layer
    for i, layer in enumerate(layers):
        convs[i] = (convs[i - 1] if i else 0) + (layer.op == CONV and layer.is_map)
    last: dict[int, int] = {}
    for i in cuts(layers, output):
        if layers[i].is_map and convs[i]:
            last[convs[i]] = i
    return list(last.values())
