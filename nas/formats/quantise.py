"""A float32 ONNX model of ours as int8, in the QDQ form that runtimes turn into integer kernels.

QuantizeLinear and DequantizeLinear stand around every operation; weights are symmetric int8 with a
scale per output channel, biases int32, activations uint8, or int8 where their zero is to be 0.
Without scales the ranges of the activations are fixed ones: the model takes the time of an int8
network, its outputs mean nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from nas.formats.scales import HIGHEST, LOWEST, Scale, quantised_layer

# By operation, the range of its output: (scale, zero point) of uint8. A range that begins at 0
# lets a runtime drop the Relu or Clip before it.
SIGNED = (8 / 127, 128)
RANGES = {
    "Relu": (8 / 255, 0),
    "Clip": (6 / 255, 0),
    "Sigmoid": (1 / 255, 0),
    "HardSigmoid": (1 / 255, 0),
}
MOVES = ("MaxPool", "Slice", "Transpose", "Reshape", "Flatten")  # their output has the input's
FUSED = (["Relu"], ["Clip"])  # as the only reader: the operation before it computes it as well

Range = tuple[float, int]


def quantised(
    model: onnx.ModelProto, scales: Mapping[str, Scale] | None = None, *, symmetric: bool = False
) -> onnx.ModelProto:
    """The int8 form of a float32 model of `nas.formats.onnx_model`.

    `scales` are the tensors', by name; `symmetric` ones have their zero at 0. Weights that are all
    zero, which stand for any others, stay so, with the scales of newly initialised ones.
    """
    if scales is not None:
        model = _clipped(model)
    writer = _Quantiser(model.graph, scales or {}, np.int8 if symmetric else np.uint8)
    for node in model.graph.node:
        writer.node(node)
    graph = helper.make_graph(
        writer.nodes,
        model.graph.name,
        model.graph.input,
        model.graph.output,
        list(writer.weights.values()),
    )
    made = helper.make_model(
        graph, opset_imports=model.opset_import, producer_name=model.producer_name
    )
    made.ir_version = model.ir_version
    return made


def _clipped(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a layer's hard sigmoid as relu6(x + 3) / 6, its 3 in the bias: all of it
    is then int8, without a rounding before the clip, as in our TFLite files."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph, tensors = made.graph, {tensor.name: tensor for tensor in made.graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    layers = {n.output[0]: n for n in graph.node if n.op_type in ("Conv", "Gemm")}
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        layer = layers.get(node.input[0]) if node.op_type == "HardSigmoid" else None
        if layer is None or len(layer.input) < 3 or readers[node.input[0]] > 1:
            graph.node.append(node)
            continue
        bias, gate, result = tensors[layer.input[2]], f"{layer.output[0]}.gate", node.output[0]
        raised = numpy_helper.to_array(bias) + np.float32(3)
        bias.CopyFrom(numpy_helper.from_array(raised, bias.name))
        values = {"low": 0.0, "high": 6.0, "sixth": 1 / 6}
        low, high, sixth = (f"{gate}.{part}" for part in values)
        graph.initializer.extend(
            numpy_helper.from_array(np.array(value, np.float32), f"{gate}.{part}")
            for part, value in values.items()
        )
        graph.node.append(helper.make_node("Clip", [node.input[0], low, high], [gate], gate))
        graph.node.append(helper.make_node("Mul", [gate, sixth], [result], result))
    return made


class _Quantiser:
    """Collects nodes and initialisers. `ranges` are the activations', by float name."""

    def __init__(
        self, graph: onnx.GraphProto, scales: Mapping[str, Scale], dtype: type[np.integer]
    ) -> None:
        self.dtype, self.zero = dtype, 0 if dtype is np.int8 else -LOWEST
        self.scales = {name: (s.scale, s.zero + self.zero) for name, s in scales.items()}
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self.ranges: dict[str, Range] = {}
        self._dequantised_names: set[str] = set()
        self._floats = {tensor.name: tensor for tensor in graph.initializer}
        self._outputs = {output.name for output in graph.output}
        self._readers: dict[str, list[str]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node.op_type)
        for image in graph.input:
            self._quantise(image.name, self.scales.get(image.name, self._fixed(SIGNED)))

    def node(self, node: onnx.NodeProto) -> None:
        """Writes a node with dequantised inputs and, where another node reads it, quantised
        output."""
        made = onnx.NodeProto()
        made.CopyFrom(node)
        if node.op_type in ("Conv", "Gemm"):
            made.input[:] = self._weighted(node)
        else:
            made.input[:] = [self._input(node, name) for name in node.input]
        self.nodes.append(made)
        output = node.output[0]
        fused = node.op_type not in MOVES and self._readers.get(output) in FUSED
        # What has no scale beside others that have is inside of an activation, and stays in float.
        inside = self.scales and output not in self.scales and node.op_type not in (*MOVES, "Clip")
        if output in self._outputs or fused or inside:
            return
        fixed = self._fixed(RANGES.get(node.op_type, SIGNED))
        if node.op_type in MOVES:
            fixed = self.ranges.get(node.input[0], fixed)
        self._quantise(output, self.scales.get(output, fixed))

    def _fixed(self, bounds: Range) -> Range:
        """A range that is made up, with its zero where the type has it."""
        scale, zero = bounds
        if self.dtype is np.uint8 or zero == -LOWEST:
            return scale, zero if self.dtype is np.uint8 else 0
        return scale * 255 / HIGHEST, 0

    def _input(self, node: onnx.NodeProto, name: str) -> str:
        if name in self.ranges:
            return self._dequantised(name, node)
        tensor = self._floats.get(name)
        if tensor is None:  # of the operation that this one is fused into
            return name
        if tensor.data_type != TensorProto.FLOAT or node.op_type == "Clip":
            self.weights[name] = tensor
            return name
        value = numpy_helper.to_array(tensor)
        scale = max(float(np.abs(value).max()), 1e-3) / 127
        self._constant(f"{name}.q", (np.rint(value / scale) + self.zero).astype(self.dtype))
        return self._dequantise(name, scale, self.zero, f"{name}.q", f"{name}.dq")

    def _weighted(self, node: onnx.NodeProto) -> list[str]:
        """The inputs of a convolution or a linear layer: activation, weights and bias."""
        x, name, *rest = node.input
        weight = numpy_helper.to_array(self._floats[name])
        bias = numpy_helper.to_array(self._floats[rest[0]]) if rest else None
        whole, steps, offsets = quantised_layer(weight, bias, self.ranges[x][0])
        self._constant(f"{name}.q", whole)
        inputs = [
            self._dequantised(x, node),
            self._dequantise(name, steps, 0, f"{name}.q", f"{name}.dq"),
        ]
        for name in rest:
            self._constant(f"{name}.q", offsets)
            units = steps * np.float32(self.ranges[x][0])
            inputs.append(self._dequantise(name, units, 0, f"{name}.q", f"{name}.dq"))
        return inputs

    def _quantise(self, name: str, bounds: Range) -> None:
        self.ranges[name] = bounds
        parts = [
            self._constant(f"{name}.scale", np.float32(bounds[0])),
            self._constant(f"{name}.zero", np.asarray(bounds[1], self.dtype)),
        ]
        self.nodes.append(helper.make_node("QuantizeLinear", [name, *parts], [f"{name}.q"]))

    def _dequantised(self, name: str, node: onnx.NodeProto) -> str:
        """The activation as one node reads it: older runtimes need one of each reader's own."""
        parts = [f"{name}.q", f"{name}.scale", f"{name}.zero"]
        output = f"{name}.for.{node.output[0]}"
        if output not in self._dequantised_names:  # a node may read a tensor twice
            self._dequantised_names.add(output)
            self.nodes.append(helper.make_node("DequantizeLinear", parts, [output]))
        return output

    def _dequantise(
        self, name: str, scale: float | npt.NDArray[np.float32], zero: int, whole: str, output: str
    ) -> str:
        dtype = numpy_helper.to_array(self.weights[whole]).dtype
        scales = np.asarray(scale, np.float32)
        parts = [
            self._constant(f"{name}.scale", scales),
            self._constant(f"{name}.zero", np.full(scales.shape, zero, dtype)),
        ]
        self.nodes.append(
            helper.make_node("DequantizeLinear", [whole, *parts], [output], axis=0)
            if scales.ndim
            else helper.make_node("DequantizeLinear", [whole, *parts], [output])
        )
        return output

    def _constant(self, name: str, value: npt.ArrayLike) -> str:
        self.weights[name] = numpy_helper.from_array(np.asarray(value), name)
        return name
