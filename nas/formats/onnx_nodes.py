"""The nodes of a graph as those of ONNX, with their weights."""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from nas.formats.folding import Array, State, norm_terms
from nas.graph import Graph, Node, Shape
from nas.support.errors import NasError

HARD_SWISH, LAYER_NORM = 14, 17  # the first opsets that have them as one operation
PLAIN = {"gap": "GlobalAveragePool", "multiply": "Mul", "divide": "Div", "matmul": "MatMul"}


class NodeWriter:
    """Collects ONNX nodes and initialisers; `names[i]` is the tensor of graph node i."""

    def __init__(
        self, graph: Graph, state: State | None, rng: np.random.Generator | None, opset: int
    ) -> None:
        self.graph, self.state, self.rng, self.opset = graph, state, rng, opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.names: list[str] = ["image"]

    def op(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Writes a node of ONNX, named as its `output`; returns that."""
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """Writes an initialiser; returns its name."""
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def numbers(self, name: str, **values: float) -> list[str]:
        """Writes float32 scalars, each named `name.KEY`; returns these names."""
        return [self.constant(f"{name}.{k}", np.array(v, np.float32)) for k, v in values.items()]

    def node(self, index: int) -> None:
        """Writes one graph node with its norm and its activation."""
        node = self.graph.nodes[index]
        shape = self.graph.nodes[node.inputs[0]].shape
        inputs = [self.names[i] for i in node.inputs]
        name = node.name
        match node.op:
            case "conv" | "deconv":
                x = self._conv(node, inputs, shape)
            case "linear":
                x = self._linear(node, inputs, shape)
            case "maxpool":
                x = self.op("MaxPool", inputs, name, ceil_mode=int(node.ceil), **_window(node))
            case "avgpool":
                x = self.op("AveragePool", inputs, name, **_average(node), **_window(node))
            case "gap" | "multiply" | "divide" | "matmul":
                x = self.op(PLAIN[node.op], inputs, name)
            case "add":
                x = inputs[0]
                for i, other in enumerate(inputs[1:]):
                    x = self.op("Add", [x, other], name if i == 0 else f"{name}.{i}")
            case "zero":
                x = self.op("Mul", inputs + self.numbers(name, factor=0.0), name)
            case "concat" | "concat_rows":
                x = self.op("Concat", inputs, name, axis=1 if node.op == "concat" else 2)
            case "slice" | "slice_rows":
                x = self._slice(node, inputs)
            case "swap":
                axes = [0, 2, 1, 3] if node.start == 0 else [0, 1, 3, 2]
                x = self.op("Transpose", inputs, name, perm=axes)
            case "shuffle":
                x = self._shuffle(node, inputs)
            case "pad":
                x = self._pad(node, inputs)
            case "resize":
                x = self._resize(node, inputs[0], shape)
            case "reshape":
                target = self.constant(f"{name}.shape", np.array([0, *node.shape]))
                x = self.op("Reshape", [*inputs, target], name)
            case "softmax":
                x = self.op("Softmax", inputs, name, axis=node.start + 1)
            case "layer_norm":
                x = self._layer_norm(node, inputs[0])
            case "group_norm":
                x = self._group_norm(node, inputs[0])
            case "unread":
                raise NasError(f"{node.mode} was not read, so the network cannot be written")
            case "activate":
                x = self._norm(node, inputs[0]) if node.norm else inputs[0]
            case "input":
                raise AssertionError("a graph's input is no node of a model")
            case op:
                assert_never(op)
        self.names.append(self._activation(node, x))

    def _read(self, name: str, shape: tuple[int, ...], spread: float) -> Array:
        if self.state is not None:
            return np.asarray(self.state[name], dtype=np.float32)
        if self.rng is None:
            return np.zeros(shape, np.float32)
        return (spread * self.rng.standard_normal(shape)).astype(np.float32)

    def _conv(self, node: Node, inputs: list[str], shape: Shape) -> str:
        dims = (node.shape[0], shape[0] // node.groups, *node.kernel)
        if node.op == "deconv":
            dims = (shape[0], node.shape[0] // node.groups, *node.kernel)
        weight = self._read(f"{node.name}.conv.weight", dims, (2 / np.prod(dims[1:])) ** 0.5)
        bias = np.zeros(node.shape[0], np.float32)
        if node.bias:
            bias = self._read(f"{node.name}.conv.bias", bias.shape, 0.0)
        if node.norm:
            scale, shift = norm_terms(node, self.state)
            weight, bias = _scaled(weight, node, scale), bias * scale + shift
        inputs = [*inputs, self.constant(f"{node.name}.weight", weight)]
        if node.bias or node.norm:
            inputs.append(self.constant(f"{node.name}.bias", bias))
        op = "Conv" if node.op == "conv" else "ConvTranspose"
        return self.op(op, inputs, node.name, group=node.groups, **_window(node))

    def _slice(self, node: Node, inputs: list[str]) -> str:
        axis = 1 if node.op == "slice" else 2
        end = node.start + node.shape[axis - 1]
        bounds = {"starts": node.start, "ends": end, "axes": axis}
        parts = [self.constant(f"{node.name}.{k}", np.array([v])) for k, v in bounds.items()]
        return self.op("Slice", inputs + parts, node.name)

    def _pad(self, node: Node, inputs: list[str]) -> str:
        fill = self.numbers(node.name, fill=node.fill)
        pads = np.array([0, 0, *node.pads[:2], 0, 0, *node.pads[2:]])
        parts = [*inputs, self.constant(f"{node.name}.pads", pads), *fill]
        return self.op("Pad", parts, node.name, mode=node.mode or "constant")

    def _resize(self, node: Node, x: str, shape: Shape) -> str:
        (_, rows, cols), (_, height, width) = node.shape, shape
        scale = np.array([1, 1, rows / height, cols / width], np.float32)
        parts = [x, "", self.constant(f"{node.name}.scale", scale)]
        if rows % height or cols % width:  # a fraction may round to one row less
            size = np.array([1, *node.shape])
            parts = [x, "", "", self.constant(f"{node.name}.size", size)]
        if node.mode == "nearest":
            how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            return self.op("Resize", parts, node.name, mode="nearest", **how)
        place = "align_corners" if node.mode == "corners" else "half_pixel"
        return self.op(
            "Resize", parts, node.name, mode="linear", coordinate_transformation_mode=place
        )

    def _linear(self, node: Node, inputs: list[str], shape: Shape) -> str:
        features = shape[0] * shape[1] * shape[2]
        weight = self._read(f"{node.name}.linear.weight", (node.shape[0], features), 0.01)
        x = self.op("Flatten", inputs, f"{node.name}.flatten", axis=1)
        inputs = [x, self.constant(f"{node.name}.weight", weight)]
        if node.bias:
            bias = self._read(f"{node.name}.linear.bias", (node.shape[0],), 0.0)
            inputs.append(self.constant(f"{node.name}.bias", bias))
        return self.op("Gemm", inputs, node.name, transB=1)

    def _norm(self, node: Node, x: str) -> str:
        scale, shift = (t[None, :, None, None] for t in norm_terms(node, self.state))
        x = self.op("Mul", [x, self.constant(f"{node.name}.scale", scale)], f"{node.name}.mul")
        return self.op("Add", [x, self.constant(f"{node.name}.shift", shift)], node.name)

    def _norm_weights(self, node: Node, *ones: int) -> list[str]:
        """The scale and the shift of a layer norm or a group norm, with dimensions behind."""
        c = (node.shape[0],)
        return [
            self.constant(
                f"{node.name}.{k}", self._read(f"{node.name}.norm.{k}", c, 0.1).reshape(c + ones)
            )
            for k in ("weight", "bias")
        ]

    def _group_norm(self, node: Node, x: str) -> str:
        """As torch's exporter writes it: groups are instances, since only opset 21 has group norms
        with a scale for each channel."""
        name, groups = node.name, np.ones(node.groups, np.float32)
        split = self.constant(f"{name}.split", np.array([0, node.groups, -1]))
        terms = [self.constant(f"{name}.one", groups), self.constant(f"{name}.zero", 0 * groups)]
        x = self.op("Reshape", [x, split], f"{name}.grouped")
        x = self.op("InstanceNormalization", [x, *terms], f"{name}.normal", epsilon=node.fill)
        merge = self.constant(f"{name}.merge", np.array([0, *node.shape]))
        x = self.op("Reshape", [x, merge], f"{name}.moved")
        weight, bias = self._norm_weights(node, 1, 1)
        return self.op("Add", [self.op("Mul", [x, weight], f"{name}.scaled"), bias], name)

    def _layer_norm(self, node: Node, x: str) -> str:
        """Over channels, turned to the last dimension, where runtimes recognise it."""
        name, (weight, bias) = node.name, self._norm_weights(node)
        x = self.op("Transpose", [x], f"{name}.last", perm=[0, 2, 3, 1])
        if self.opset >= LAYER_NORM:
            terms, moved = [x, weight, bias], f"{name}.moved"
            x = self.op("LayerNormalization", terms, moved, axis=-1, epsilon=node.fill)
            return self.op("Transpose", [x], name, perm=[0, 3, 1, 2])
        two, epsilon = self.numbers(name, two=2.0, epsilon=node.fill)
        away = self.op("Sub", [x, self._mean(x, f"{name}.mean")], f"{name}.away")
        variance = self._mean(self.op("Pow", [away, two], f"{name}.square"), f"{name}.variance")
        root = self.op("Sqrt", [self.op("Add", [variance, epsilon], f"{name}.sum")], f"{name}.root")
        x = self.op("Div", [away, root], f"{name}.normal")
        x = self.op("Add", [self.op("Mul", [x, weight], f"{name}.scaled"), bias], f"{name}.moved")
        return self.op("Transpose", [x], name, perm=[0, 3, 1, 2])

    def _mean(self, x: str, name: str) -> str:
        """The mean over the last dimension, in opsets that take the axes as an attribute."""
        return self.op("ReduceMean", [x], name, axes=[-1])

    def _shuffle(self, node: Node, inputs: list[str]) -> str:
        c, h, w = node.shape
        split = self.constant(
            f"{node.name}.split", np.array([0, node.groups, c // node.groups, h, w])
        )
        merge = self.constant(f"{node.name}.merge", np.array([0, c, h, w]))
        x = self.op("Reshape", [*inputs, split], f"{node.name}.grouped")
        x = self.op("Transpose", [x], f"{node.name}.swapped", perm=[0, 2, 1, 3, 4])
        return self.op("Reshape", [x, merge], node.name)

    def _activation(self, node: Node, x: str) -> str:
        name = f"{node.name}.{node.act}"
        match node.act:
            case None:
                return x
            case "relu":
                return self.op("Relu", [x], name)
            case "relu6":
                bounds = [self.constant(f"{name}.{v}", np.array(v, np.float32)) for v in (0, 6)]
                return self.op("Clip", [x, *bounds], name)
            case "hswish":
                if self.opset >= HARD_SWISH:
                    return self.op("HardSwish", [x], name)
                gate = self.op("HardSigmoid", [x], f"{name}.gate", alpha=1 / 6, beta=0.5)
                return self.op("Mul", [x, gate], name)
            case "sigmoid":
                return self.op("Sigmoid", [x], name)
            case "hsigmoid":
                return self.op("HardSigmoid", [x], name, alpha=1 / 6, beta=0.5)
            case "silu":
                gate = self.op("Sigmoid", [x], f"{name}.gate")
                return self.op("Mul", [x, gate], name)
            case "gelu":
                return self._gelu(x, name)
            case "tanh":
                return self.op("Tanh", [x], name)
            case "leaky_relu":
                return self.op("LeakyRelu", [x], name, alpha=node.slope)
            case act:
                assert_never(act)

    def _gelu(self, x: str, name: str) -> str:
        """x * (1 + erf(x / √2)) / 2, in the order that runtimes recognise: one operation only from
        opset 20 on."""
        root, one, half = self.numbers(name, root=2**0.5, one=1.0, half=0.5)
        erf = self.op("Erf", [self.op("Div", [x, root], f"{name}.scaled")], f"{name}.erf")
        gate = self.op("Mul", [x, self.op("Add", [erf, one], f"{name}.sum")], f"{name}.gate")
        return self.op("Mul", [gate, half], name)


def _scaled(weight: Array, node: Node, scale: Array) -> Array:
    """The weights of a convolution times a factor for each output channel."""
    if node.op == "conv":
        return weight * scale[:, None, None, None]
    each = weight.reshape(node.groups, -1, *weight.shape[1:])
    return (each * scale.reshape(node.groups, 1, -1, 1, 1)).reshape(weight.shape)


def _average(node: Node) -> dict[str, int]:
    """What an average counts; rounding up is only said where it is done, as for old runtimes."""
    return {"count_include_pad": int(node.counted), **({"ceil_mode": 1} if node.ceil else {})}


def _window(node: Node) -> dict[str, Any]:
    window = {
        "kernel_shape": list(node.kernel),
        "strides": list(node.strides),
        "pads": list(node.pads),
    }
    return {**window, "dilations": list(node.dilation)} if node.dilation != (1, 1) else window
