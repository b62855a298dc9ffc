"""A network's dataflow as plain data, made from our own graph or from any traced module."""

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

    `inputs` are indices of earlier layers; layer 0 is the network's input. `weight` is the shape
    (out, in / groups, kernel height, kernel width) of a convolution or (out, in) of a linear layer,
    and empty for other operations.
    """

    op: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    weight: tuple[int, ...] = ()

    @property
    def macs(self) -> int:
        """The multiply-adds of a convolution or linear layer; 0 for other operations."""
        return prod(self.weight) * prod(self.shape[1:]) if self.weight else 0

    @property
    def is_map(self) -> bool:
        """Whether the result is a feature map of more than one pixel."""
        return len(self.shape) == 3 and self.shape[1] * self.shape[2] > 1


def from_graph(graph: Graph) -> tuple[Layer, ...]:
    """The layers of our own graph; a node may become three: convolution, norm and activation."""
    layers: list[Layer] = []
    results: list[int] = []  # for each node, the index of the layer that gives its result
    for node in graph.nodes:
        inputs = tuple(results[i] for i in node.inputs)
        weight: tuple[int, ...] = ()
        c_in = graph.nodes[node.inputs[0]].shape[0] if node.inputs else 0
        op = node.op if node.op in (CONV, LINEAR, MULTIPLY) else OTHER
        if op == CONV:
            weight = (node.shape[0], c_in // node.groups, *node.kernel)
        elif op == LINEAR:
            weight = (node.shape[0], prod(graph.nodes[node.inputs[0]].shape))
        layers.append(Layer(op, inputs, node.shape, weight))
        if node.norm:
            layers.append(Layer(NORM, (len(layers) - 1,), node.shape))
        if node.act is not None:
            op = GATE if node.act in GATES else ACTIVATION
            layers.append(Layer(op, (len(layers) - 1,), node.shape))
        results.append(len(layers) - 1)
    return tuple(layers)


def convolutions(layers: Iterable[Layer]) -> list[Layer]:
    """The convolutions that give feature maps; those of squeeze-and-excite or of a classifier do
    not."""
    return [layer for layer in layers if layer.op == CONV and layer.is_map]


def cuts(layers: Sequence[Layer], output: int) -> list[int]:
    """The indices of the layers that every path from input to output passes, in order.

    They divide any network into blocks, however its modules nest: the sum that ends a residual
    block is a cut, a convolution beside a shortcut is not.
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
    indices, horizon = [], 0
    for i in range(len(layers)):
        if not (reached[i] and needed[i]):
            continue
        if horizon <= i:
            indices.append(i)
        horizon = max(horizon, last_use[i])
    return indices


def block_ends(layers: Sequence[Layer], output: int) -> list[int]:
    """The indices of the feature maps between blocks: the last cut between two convolutions.

    The next block reads that map; after the last convolution the pooling reads it.
    """
    convs = [0] * len(layers)  # the number of convolutions up to each layer, itself included
    for i, layer in enumerate(layers):
        convs[i] = (convs[i - 1] if i else 0) + (layer.op == CONV and layer.is_map)
    last: dict[int, int] = {}
    for i in cuts(layers, output):
        if layers[i].is_map and convs[i]:
            last[convs[i]] = i
    return list(last.values())
