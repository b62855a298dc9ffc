"""A graph without norms: each is folded into the convolution before it, as files hold networks.

A norm of its own, before an activation, becomes a depthwise 1x1 convolution: the same function, in
an operation that every runtime has, with a scale for each channel where it is quantised.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from nas.graph import Graph, Node

BATCH_NORM_EPS = 1e-5

Array = npt.NDArray[np.float32]
State = Mapping[str, Array]


def folded(graph: Graph, state: State | None = None, *, seed: int = 0) -> tuple[Graph, State]:
    """The same network without norms, and its weights under torch's parameter names.

    `state` holds arrays under those names; without it the weights are random ones of `seed` and
    the norms do nothing.
    """
    rng = np.random.default_rng(seed)
    nodes, weights = [graph.nodes[0]], dict[str, Array]()
    for node in graph.nodes[1:]:
        channels = graph.nodes[node.inputs[0]].shape[0]
        if node.op == "activate" and node.norm:
            node = node._replace(op="conv", groups=channels)
            weight, bias = np.ones((channels, 1, 1, 1), np.float32), None
        elif node.op in ("conv", "linear"):
            shape = weight_shape(node, graph.nodes[node.inputs[0]])
            weight, bias = _weights(node, shape, state, rng)
        else:
            nodes.append(node)
            continue
        if node.norm:
            scale, shift = norm_terms(node, state)
            weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
            bias = shift if bias is None else bias * scale + shift
        weights[f"{node.name}.{node.op}.weight"] = weight
        if bias is not None:
            weights[f"{node.name}.{node.op}.bias"] = bias
        nodes.append(node._replace(norm=False, bias=bias is not None))
    return Graph(tuple(nodes), graph.output), weights


def weight_shape(node: Node, source: Node) -> tuple[int, ...]:
    """The shape of the weights of a convolution or a linear layer that reads `source`."""
    c, h, w = source.shape
    if node.op == "linear":
        return (node.shape[0], c * h * w)
    return (node.shape[0], c // node.groups, *node.kernel)


def norm_terms(node: Node, state: State | None) -> tuple[Array, Array]:
    """Scale and shift of an inference-mode batch norm; a new network's does nothing."""
    if state is None:
        return np.ones(node.shape[0], np.float32), np.zeros(node.shape[0], np.float32)
    gamma, beta, mean, var = (
        np.asarray(state[f"{node.name}.norm.{k}"], np.float64)
        for k in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(var + BATCH_NORM_EPS)
    return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)


def _weights(
    node: Node, shape: tuple[int, ...], state: State | None, rng: np.random.Generator
) -> tuple[Array, Array | None]:
    if state is None:
        spread = 0.01 if node.op == "linear" else float(2 / np.prod(shape[1:])) ** 0.5
        bias = np.zeros(shape[0], np.float32) if node.bias else None
        return (spread * rng.standard_normal(shape)).astype(np.float32), bias
    weight, bias = (
        np.asarray(state[f"{node.name}.{node.op}.{part}"], np.float32) if there else None
        for part, there in (("weight", True), ("bias", node.bias))
    )
    assert weight is not None
    return weight, bias
