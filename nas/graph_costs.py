"""The cost of a graph: parameters, multiply-adds, peak activation memory and weight bytes.

Convolution and linear layers count as multiply-adds, SE and classifier included; bias, norm,
activation, pooling and element-wise operations do not. That is what the mobile-vision literature
calls FLOPs (MobileNetV2 = 300M).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, assert_never

from nas.graph import Graph, Node, Shape

Precision = Literal["fp32", "fp16", "int8"]
WEIGHTED = frozenset({"conv", "deconv", "linear", "activate", "layer_norm", "group_norm", "matmul"})
BYTES: dict[Precision, int] = {"fp32": 4, "fp16": 2, "int8": 1}  # of a weight or an activation


class Cost(NamedTuple):
    """Costs of one network for one image, as integers.

    params: weights, biases and norm scales and shifts (running statistics are no parameters).
    macs: multiply-adds.
    peak_bytes: the most activation memory alive at once, float32, executing node after node.
    """

    params: int
    macs: int
    peak_bytes: int

    @property
    def weight_bytes(self) -> int:
        """The parameters in float32. An exported file is a little smaller: it folds the norms."""
        return self.params * BYTES["fp32"]


def bytes_at(precision: Precision, float32_bytes: int) -> int:
    """The bytes that weights or activations take in a precision, by those that they take in
    float32. Biases, which int8 keeps in four bytes, are counted as the weights are."""
    return float32_bytes * BYTES[precision] // BYTES["fp32"]


def node_cost(node: Node, input_shape: Shape) -> tuple[int, int]:
    """(parameters, multiply-adds) of one node, given the shape of its first input."""
    c = node.shape[0]
    match node.op:
        case "conv":
            weights = c * (input_shape[0] // node.groups) * node.kernel[0] * node.kernel[1]
            params = weights + (c if node.bias else 0) + (2 * c if node.norm else 0)
            return params, weights * node.shape[1] * node.shape[2]
        case "deconv":
            weights = input_shape[0] * (c // node.groups) * node.kernel[0] * node.kernel[1]
            params = weights + (c if node.bias else 0) + (2 * c if node.norm else 0)
            return params, weights * input_shape[1] * input_shape[2]
        case "linear":
            weights = c * input_shape[0] * input_shape[1] * input_shape[2]
            return weights + (c if node.bias else 0), weights
        case "activate" | "layer_norm" | "group_norm":
            return (2 * c if node.norm else 0), 0
        case "matmul":
            return 0, input_shape[0] * input_shape[1] * input_shape[2] * node.shape[2]
        case "input" | "maxpool" | "avgpool" | "gap" | "add" | "multiply" | "zero" | "swap":
            return 0, 0
        case "concat" | "concat_rows" | "slice" | "slice_rows" | "shuffle":
            return 0, 0
        case "pad" | "resize" | "reshape" | "softmax" | "divide":
            return 0, 0
        case "unread":  # whoever shows costs says what they leave out
            return 0, 0
        case op:
            assert_never(op)


def graph_cost(graph: Graph) -> Cost:
    """The cost of a graph. A tensor is alive from the node that makes it to its last reader."""
    nodes = graph.nodes
    params = macs = live = peak = 0
    last_use = list(range(len(nodes)))
    for i, node in enumerate(nodes):
        for j in node.inputs:
            last_use[j] = i
    for i in (graph.output, *graph.others):
        last_use[i] = len(nodes)
    sizes = []
    for i, node in enumerate(nodes):
        (c, h, w), inputs = node.shape, node.inputs
        size = c * h * w
        sizes.append(size)
        live += size
        if live > peak:
            peak = live
        for j in inputs:
            if last_use[j] == i:
                live -= sizes[j]
                last_use[j] = -1
        if last_use[i] == i:  # nothing reads it
            live -= size
        if node.op in WEIGHTED:
            p, m = node_cost(node, nodes[inputs[0]].shape)
            params += p
            macs += m
    return Cost(params, macs, peak * BYTES["fp32"])
