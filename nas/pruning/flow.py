"""Which channels a value carries: the filters that each channel of a node was made by."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import assert_never

import numpy as np
import numpy.typing as npt

from nas.graph import Graph, Node, Shape
from nas.support.errors import NasError

Channels = list[frozenset[tuple[int, int]]]


def sources(graph: Graph) -> list[Channels]:
    """For each node and each of its channels the filters that it carries: (node, channel) pairs.

    A convolution or linear layer makes new channels, a depthwise one adds itself to what it reads,
    a sum and a gated product carry those of all their inputs, everything else passes them on.
    Channels that were swapped with rows carry none.
    """
    found: list[Channels] = []
    for i, node in enumerate(graph.nodes):
        inputs = [found[j] for j in node.inputs]
        found.append(_carried(node, i, inputs))
    return found


def _carried(node: Node, i: int, inputs: list[Channels]) -> Channels:
    count = node.shape[0]
    match node.op:
        case "input" | "swap" | "zero":
            return [frozenset()] * count
        case "conv" if is_depthwise(node, len(inputs[0])):
            return [old | {(i, c)} for c, old in enumerate(inputs[0])]
        case "conv" | "linear":
            return [frozenset({(i, c)}) for c in range(count)]
        case "add" | "multiply" | "concat_rows":
            whole = [channels for channels in inputs if len(channels) == count]
            return [frozenset().union(*each) for each in zip(*whole, strict=True)]
        case "concat":
            return list(chain.from_iterable(inputs))
        case "slice":
            return inputs[0][node.start : node.start + count]
        case "shuffle":
            order = np.arange(count).reshape(node.groups, -1).T.ravel()
            return [inputs[0][c] for c in order]
        case "maxpool" | "avgpool" | "gap" | "slice_rows" | "activate":
            return inputs[0]
        case ("deconv" | "pad" | "resize" | "reshape" | "softmax" | "layer_norm"
              | "group_norm" | "matmul" | "divide" | "unread") as op:  # fmt: skip
            raise NasError(f"{node.name}: {op} is not pruned through")
        case op:
            assert_never(op)


def is_depthwise(node: Node, channels: int) -> bool:
    """Whether a convolution has one filter for each of the `channels` that it reads."""
    return node.groups == channels == node.shape[0] and channels > 1


def adds_input(node: Node, inputs: Shape) -> bool:
    """Whether the input is one of the branches as which a re-parameterised convolution is
    trained."""
    return node.branches > 0 and node.strides == (1, 1) and node.shape[0] == inputs[0]


def credited(
    graph: Graph, importances: Mapping[str, npt.NDArray[np.float64]]
) -> dict[str, npt.NDArray[np.float64]]:
    """The importance of every filter as the sum of those of the inputs that carry it.

    `importances` has one number for each input channel of a layer, by the name of the layer; the
    result one for each output channel of every layer. Filters that no layer reads get 0.
    """
    carried = sources(graph)
    scores = {i: np.zeros(n.shape[0]) for i, n in enumerate(graph.nodes) if is_layer(n)}
    for node in graph.nodes:
        if node.name in importances:
            for value, filters in zip(importances[node.name], carried[node.inputs[0]], strict=True):
                for i, channel in filters:
                    scores[i][channel] += value
    return {graph.nodes[i].name: values for i, values in scores.items()}


def is_layer(node: Node) -> bool:
    """Whether a node has filters: a convolution or a linear layer."""
    return node.op in ("conv", "linear")
