"""Graph to TFLite, in float32 or in int8; nothing here needs TensorFlow, torch or onnx.

Maps are channels last, (1, H, W, C), as TFLite has them. The input is `image`, the output
`logits` (1, classes); both are int8 in an int8 model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nas.architecture import Architecture
from nas.formats.folding import State, folded
from nas.formats.scales import (
    FUSED,
    LOWEST,
    SIGMOID,
    Ranges,
    Scale,
    does_nothing,
    inner_name,
    scales,
    tensor_names,
)
from nas.formats.tflite.emitter import SAME, VALID, Emitter, Pads
from nas.formats.tflite.flatbuffer import serialised
from nas.graph import Graph, Node, Shape
from nas.support.errors import NasError

CLAMPS = {"relu": 1, "relu6": 3}  # the schema's fused activations
GATE = Scale(6 / 255, LOWEST)  # of relu6(x + 3), six times a hard sigmoid


def to_tflite(
    network: Architecture | Graph,
    state: State | None = None,
    *,
    int8: Ranges | None = None,
    metadata: Mapping[str, str] | None = None,
    seed: int = 0,
) -> bytes:
    """A TFLite model of an architecture or a graph, for one image.

    `state` holds arrays under torch's parameter names; without it the weights are random ones of
    `seed`. With `int8`, the range of each tensor by its name (see `nas.formats.scales`), the model
    is int8; an empty mapping takes fixed ranges, which is all that timing needs. Errors: `NasError`
    for an operation that is not written.
    """
    about = dict(metadata or {})
    if isinstance(network, Architecture):
        about = {"architecture": network.to_json(), **about}
        network = network.graph()
    if network.others:
        raise NasError("a TFLite file is written for one output, and the network has several")
    graph, weights = folded(network, state, seed=seed)
    writer = _Writer(graph, weights, None if int8 is None else scales(graph, int8))
    for node in graph.nodes[1:]:
        writer.node(node)
    logits = writer.logits()
    return serialised(writer.emit.tensors, writer.emit.operations, [0], [logits], about)


class _Writer:
    """Lowers node by node; `values[i]` is the tensor of graph node i."""

    def __init__(self, graph: Graph, weights: State, int8: Mapping[str, Scale] | None) -> None:
        self.graph, self.weights, self.emit = graph, weights, Emitter(int8)
        self.names = tensor_names(graph)
        self.values = [self.emit.map("image", graph.input_shape)]

    def node(self, node: Node) -> None:
        """Writes one graph node with its activation."""
        inputs = [self.values[i] for i in node.inputs]
        if does_nothing(node):
            self.values.append(inputs[0])
            return
        x = self._core(node, inputs)
        done = node.act is None or node.act in FUSED
        self.values.append(x if done else self._activation(node, x))

    def logits(self) -> int:
        """The result, flattened in the order of (C, H, W)."""
        x, (c, h, w) = self.values[self.graph.output], self.graph.output_shape
        if c > 1 and h * w > 1:
            x = self.emit.transposed(x, (0, 3, 1, 2), "logits.channels_first")
        return self.emit.reshaped(x, (1, c * h * w), "logits")

    def _core(self, node: Node, inputs: list[int]) -> int:
        emit, x, name = self.emit, inputs[0], _name(node)
        match node.op:
            case "conv" | "linear":
                return self._conv(node, x)
            case "maxpool" | "avgpool":
                return self._pool(node, x)
            case "gap":
                axes = emit.constant("gap.axes", np.array([1, 2], np.int32))
                return emit.op("MEAN", [x, axes], name, node.shape, KeepDims=True)
            case "add":
                return self._add(node, inputs)
            case "multiply":
                return emit.op("MUL", inputs, name, node.shape)
            case "zero":
                return emit.op("MUL", [x, emit.scalar("zero", 0.0)], name, node.shape)
            case "concat" | "concat_rows":
                axis = 3 if node.op == "concat" else 1
                return emit.concatenated(inputs, axis, name, node.shape)
            case "slice":
                return emit.sliced(x, 3, node.start, node.shape[0], name)
            case "slice_rows":
                return emit.sliced(x, 1, node.start, node.shape[1], name)
            case "swap":
                return emit.transposed(x, (0, 3, 2, 1) if node.start == 0 else (0, 2, 1, 3), name)
            case "shuffle":
                c, h, w = node.shape
                x = emit.reshaped(x, (1, h * w, node.groups, c // node.groups), f"{name}.grouped")
                x = emit.transposed(x, (0, 1, 3, 2), f"{name}.swapped")
                return emit.reshaped(x, (1, h, w, c), name)
            case "activate":  # with a norm it would be a convolution by now
                if node.act not in FUSED:
                    return x
                # TFLite Micro's RELU6 cannot change the scale, so that is done behind it.
                own = emit.scale(x) if node.act == "relu6" else None
                clamp = "RELU6" if node.act == "relu6" else "RELU"
                x = emit.op(clamp, [x], name, node.shape, own)
                return emit.rescaled(x, emit.scale_of(name), f"{name}.rescaled")
            case op:
                raise NasError(f"{op} cannot be written as TFLite")

    def _conv(self, node: Node, x: int) -> int:
        """A convolution. A linear layer is one with a kernel of the whole map: in every version of
        the runtimes convolutions, and only they, have a scale for each output channel."""
        c, h, w = self.graph.nodes[node.inputs[0]].shape
        bias = self.weights.get(f"{node.name}.{node.op}.bias", np.zeros(node.shape[0], np.float32))
        weight = self.weights[f"{node.name}.{node.op}.weight"]
        window = {"Padding": VALID, "StrideH": 1, "StrideW": 1}
        if node.op == "linear":
            weight = weight.reshape(-1, c, h, w)
        else:
            pads, window = _window(node, (c, h, w), may_be_same=True)
            x = self.emit.padded(x, pads, node.name)
        vertical, horizontal = node.dilation
        options = window | {"DilationHFactor": vertical, "DilationWFactor": horizontal}
        options["FusedActivationFunction"] = CLAMPS.get(node.act or "", 0)
        name, like = _name(node), None
        if node.act == "hsigmoid":  # the sum in relu6(x + 3) / 6 is done with the bias
            name, like, bias = f"{node.name}.gate", self._gate(), bias + np.float32(3)
            options["FusedActivationFunction"] = CLAMPS["relu6"]
        depthwise = 1 < node.groups == c
        op = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        if depthwise:
            options["DepthMultiplier"] = node.shape[0] // c
        inputs = self.emit.layer(x, weight, bias, node.name, depthwise=depthwise)
        return self.emit.op(op, inputs, name, node.shape, like, **options)

    def _pool(self, node: Node, x: int) -> int:
        """Padding counts in our averages and never in TFLite's, so it is an operation of its own
        there; in a maximum it counts nowhere."""
        top = node.op == "maxpool"
        apart = top or not node.counted
        pads, window = _window(node, self.graph.nodes[node.inputs[0]].shape, may_be_same=apart)
        if not top and not node.counted and any(map(any, pads)):
            raise NasError(f"{node.name} cannot be written as TFLite: its padding is not SAME's")
        lowest = top and not self._never_negative(node.inputs[0])
        x = self.emit.padded(x, pads, node.name, lowest=lowest)
        window |= {"FilterHeight": node.kernel[0], "FilterWidth": node.kernel[1]}
        op = "MAX_POOL_2D" if top else "AVERAGE_POOL_2D"
        return self.emit.op(op, [x], _name(node), node.shape, self.emit.scale(x), **window)

    def _add(self, node: Node, inputs: list[int]) -> int:
        x, last = inputs[0], len(inputs) - 2
        for i, other in enumerate(inputs[1:]):
            name = _name(node) if i == last else node.name if i == 0 else f"{node.name}.{i}"
            act = CLAMPS.get(node.act or "", 0) if i == last else 0
            x = self.emit.op("ADD", [x, other], name, node.shape, FusedActivationFunction=act)
        return x

    def _activation(self, node: Node, x: int) -> int:
        emit, name, shape = self.emit, f"{node.name}.{node.act}", node.shape
        match node.act:
            case "hswish":
                return emit.op("HARD_SWISH", [x], name, shape)
            case "sigmoid":
                return emit.op("LOGISTIC", [x], name, shape)
            case "silu":
                like = None if emit.int8 is None else SIGMOID
                gate = emit.op("LOGISTIC", [x], f"{name}.gate", shape, like)
                return emit.op("MUL", [x, gate], name, shape)
            case "hsigmoid":
                if node.op not in ("conv", "linear"):
                    inputs, act = [x, emit.scalar("three", 3.0)], CLAMPS["relu6"]
                    raised, like = f"{node.name}.gate", self._gate()
                    x = emit.op("ADD", inputs, raised, shape, like, FusedActivationFunction=act)
                return emit.op("MUL", [x, emit.scalar("sixth", 1 / 6)], name, shape)
            case "gelu":
                return emit.op("GELU", [x], name, shape)
            case "tanh":
                return emit.op("TANH", [x], name, shape)
            case "leaky_relu":
                return emit.op("LEAKY_RELU", [x], name, shape, Alpha=node.slope)
            case act:
                raise NasError(f"activation {act} cannot be written as TFLite")

    def _gate(self) -> Scale | None:
        return None if self.emit.int8 is None else GATE

    def _never_negative(self, index: int) -> bool:
        node = self.graph.nodes[index]
        if node.act is not None:
            return node.act in ("relu", "relu6", "sigmoid", "hsigmoid")
        moved = node.op in ("maxpool", "avgpool", "slice", "shuffle", "concat", "gap")
        return moved and all(map(self._never_negative, node.inputs))


def _name(node: Node) -> str:
    """The name of what an operation gives: with its activation, where that is fused."""
    return f"{node.name}.{node.act}" if node.act in FUSED else inner_name(node)


def _window(node: Node, shape: Shape, *, may_be_same: bool) -> tuple[Pads, dict[str, int]]:
    """The padding that must be done before, and the operation's options; none where TFLite's SAME
    is the same padding."""
    pads, same = [], may_be_same
    for axis in (0, 1):
        size, out, before = shape[axis + 1], node.shape[axis + 1], node.pads[axis]
        stride = node.strides[axis]
        reach = (out - 1) * stride + (node.kernel[axis] - 1) * node.dilation[axis] + 1
        pads.append((before, max(0, reach - size - before)))
        total = max(0, reach - size)
        same &= out == -(-size // stride) and pads[-1] == (total // 2, total - total // 2)
    options = {"Padding": SAME if same else VALID}
    options |= {"StrideH": node.strides[0], "StrideW": node.strides[1]}
    return ((0, 0), (0, 0)) if same else (pads[0], pads[1]), options
