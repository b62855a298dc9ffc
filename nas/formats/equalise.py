"""What makes a network lose less when it becomes int8 (Nagel et al. 2019): equalisation of the
weights of neighbouring layers, and correction of the biases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from nas.formats.calibration import Observed
from nas.formats.folding import State
from nas.formats.scales import tensor_names, weight_scales
from nas.graph import Graph, Node

ROUNDS = 20
MOST = 1e3  # by which a channel is scaled at once


def equalised(graph: Graph, state: State) -> tuple[Graph, State]:
    """The network with the channels between two convolutions scaled so that both have weights of
    the same range there. It computes the same, but that a ReLU6 between them becomes a ReLU: it
    would cut scaled values."""
    nodes, weights = list(graph.nodes), dict(state)
    pairs = list(_pairs(graph))
    for a, _ in pairs:
        if graph.nodes[a].act == "relu6":
            nodes[a] = nodes[a]._replace(act="relu")
    for _ in range(ROUNDS):
        for a, b in pairs:
            _equalise(graph.nodes[a], graph.nodes[b], weights)
    return Graph(tuple(nodes), graph.output), weights


def _pairs(graph: Graph) -> Iterator[tuple[int, int]]:
    """Convolutions that alone read another one, through nothing but a ReLU."""
    readers = Counter(j for node in graph.nodes for j in node.inputs)
    readers[graph.output] += 1
    for b, node in enumerate(graph.nodes):
        if node.op == "conv":
            (a,) = node.inputs
            before = graph.nodes[a]
            plain = before.op == "conv" and before.act in (None, "relu", "relu6")
            if plain and readers[a] == 1:
                yield a, b


def _equalise(a: Node, b: Node, weights: dict[str, npt.NDArray[np.float32]]) -> None:
    first, second = weights[f"{a.name}.conv.weight"], weights[f"{b.name}.conv.weight"]
    reads = _inputs(second, b.groups)
    out = np.abs(first).reshape(len(first), -1).max(1)
    into = np.zeros(len(first), np.float32)
    np.maximum.at(into, reads, np.abs(second).max((2, 3)))
    both = (out > 0) & (into > 0)
    factor = np.ones(len(first), np.float32)
    factor[both] = np.clip(np.sqrt(into[both] / out[both]), 1 / MOST, MOST)
    weights[f"{a.name}.conv.weight"] = first * factor[:, None, None, None]
    weights[f"{b.name}.conv.weight"] = second / factor[reads][:, :, None, None]
    if a.bias:
        weights[f"{a.name}.conv.bias"] = weights[f"{a.name}.conv.bias"] * factor


def _inputs(weight: npt.NDArray[np.float32], groups: int) -> npt.NDArray[np.int64]:
    """The input channel that each weight (O, I) of a grouped convolution reads."""
    group = np.arange(len(weight)) // (len(weight) // groups)
    return np.asarray(group[:, None] * weight.shape[1] + np.arange(weight.shape[1]))


def bias_corrected(graph: Graph, state: State, observed: Mapping[str, Observed]) -> State:
    """The weights with the mean error of each layer's output, which rounding its weights makes on
    inputs with the observed means, taken off its bias."""
    weights, names = dict(state), tensor_names(graph)
    for node in graph.nodes:
        key = f"{node.name}.{node.op}"
        if node.op not in ("conv", "linear") or not node.bias:
            continue
        weight = weights[f"{key}.weight"]
        c, h, w = graph.nodes[node.inputs[0]].shape
        if node.op == "linear":
            weight = weight.reshape(-1, c, h, w)
        steps = weight_scales(weight)[:, None, None, None]
        error = (np.rint(weight / steps) * steps - weight).sum((2, 3))
        means = observed[names[node.inputs[0]]].means
        shift = (error * means[_inputs(weight, node.groups)]).sum(1)
        weights[f"{key}.bias"] = (weights[f"{key}.bias"] - shift).astype(np.float32)
    return weights
