"""ONNX as tf2onnx, Keras and others write it: channels last, norms and activations in their parts.

Each is read into the graph that the same network has with channels first, and computes what
onnxruntime does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_files import model, node, onnxruntime_of, same, saved, weights

import nas
from nas.formats.onnx_import import read_onnx
from nas.formats.onnx_model import graph_to_onnx
from nas.imported import ImportedNetwork, network_cost
from nas.latency.measuring.bundle import skeleton
from nas.testing.numerics import images

NCHW, NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
Arrays = dict[str, np.ndarray[Any, Any]]
NUMBERS = {"zero": 0, "three": 3, "six": 6, "one": 1, "two": 2, "half": 0.5, "root": 2**0.5,
           "low": -0.4, "tiny": 1e-5}  # fmt: skip
CONSTANTS: Arrays = {k: np.array(v, np.float32) for k, v in NUMBERS.items()}
IMAGE = (None, 9, 8, 3)


def kinds(network: ImportedNetwork) -> Mapping[str, int]:
    """How many nodes of each operation; `norm` for a norm of its own."""
    return Counter("norm" if n.op == "activate" and n.norm else n.op for n in network.nodes.nodes)


def conv(x: str, weight: str, y: str, **settings: Any) -> list[onnx.NodeProto]:
    """A convolution between transposes, as Keras on torch and tf2onnx write each one."""
    return [
        node("Transpose", x, f"{y}.in", perm=NCHW),
        node("Conv", f"{y}.in {weight}", f"{y}.out", **settings),
        node("Transpose", f"{y}.out", y, perm=NHWC),
    ]


def normed(x: str, y: str) -> list[onnx.NodeProto]:
    """A batch norm in parts, as Keras on torch writes it."""
    return [
        node("Sub", f"{x} mean", f"{y}.away"),
        node("Mul", f"{y}.away scale", f"{y}.scaled"),
        node("Add", f"{y}.scaled shift", y),
    ]


def test_a_network_of_keras_has_no_transposes(tmp_path: Path) -> None:
    nodes = [
        node("Mul", "x half", "pixels"),
        node("Pad", "pixels pads", "padded"),
        *conv("padded", "w", "a", strides=[2, 2]),
        *normed("a", "b"),
        node("Relu", "b", "b.relu"),
        node("Min", "b.relu six", "c"),
        *conv("c", "d.w", "d", group=4, pads=[1, 1, 1, 1]),
        *normed("d", "e"),
        node("Sigmoid", "e", "e.gate"),
        node("Mul", "e e.gate", "f"),
        node("ReduceMean", "f", "g", axes=[1, 2], keepdims=1),
        *conv("g", "p.w", "h"),
        node("Sigmoid", "h", "h.gate"),
        node("Mul", "h h.gate", "i"),
        *conv("i", "p.w", "j"),
        node("Add", "j three", "j.three"),
        node("Clip", "j.three zero six", "j.clip"),
        node("Div", "j.clip six", "k"),
        node("Mul", "f k", "l"),
        *conv("l", "p.w", "m"),
        *normed("m", "n"),
        node("Add", "n c", "o"),
        node("Concat", "o c", "p", axis=3),
        node("Slice", "p starts ends axes", "q"),
        node("ReduceMean", "q", "r", axes=[1, 2], keepdims=0),
        node("MatMul", "r v", "s"),
        node("Add", "s bias", "t"),
        node("Softmax", "t", "y", axis=-1),
    ]
    arrays = {
        "w": weights(4, 3, 3, 3),
        "d.w": weights(4, 1, 3, 3),
        "p.w": weights(4, 4, 1, 1),
        "mean": weights(4),
        "scale": weights(4),
        "shift": weights(4),
        "v": weights(6, 5),
        "bias": weights(5),
        "pads": np.array([0, 0, 0, 0, 0, 1, 1, 0]),
        "starts": np.array([1]),
        "ends": np.array([7]),
        "axes": np.array([-1]),
    }
    network = same(saved(model(nodes, {**CONSTANTS, **arrays}, IMAGE), tmp_path))
    convs = [n for n in network.nodes.nodes if n.op == "conv"]
    assert [n.act for n in convs] == ["relu6", "silu", "silu", "hsigmoid", None]
    assert convs[0].pads == (0, 0, 1, 1)
    assert (network.input_shape, network.channels_last) == ((3, 9, 8), True)
    assert kinds(network) == {
        "input": 1, "norm": 1, "conv": 5, "gap": 2, "multiply": 1, "add": 1, "concat": 1,
        "slice": 1, "linear": 1, "softmax": 1,
    }  # fmt: skip


def test_a_convolution_that_two_transposes_lead_to_is_not_scaled_for_both(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a"),
        node("Transpose", "a", "last", perm=NHWC),
        node("Transpose", "last", "b", perm=NCHW),
        node("Mul", "b half", "c"),
        node("Transpose", "last", "d", perm=NCHW),
        node("Concat", "c d", "y", axis=1),
    ]
    same(saved(model(nodes, {**CONSTANTS, "w": weights(4, 3, 1, 1)}), tmp_path))


def layer_norm(x: str, y: str, axis: int, opset: int) -> list[onnx.NodeProto]:
    """A layer norm in parts, as torch's exporter writes it."""
    late, settings = (" axis", {}) if opset >= 18 else ("", {"axes": [axis]})
    return [
        node("ReduceMean", f"{x}{late}", "mean", **settings),
        node("Sub", f"{x} mean", "away"),
        node("Pow", "away two", "square"),
        node("ReduceMean", f"square{late}", "variance", **settings),
        node("Add", "variance tiny", "sum"),
        node("Sqrt", "sum", "deviation"),
        node("Div", "away deviation", "normal"),
        node("Mul", "normal scale", "scaled"),
        node("Add", "scaled shift", y),
    ]


def blocks_of_convnext(last: bool, opset: int) -> onnx.ModelProto:
    """ConvNeXt's block with linear layers behind a transpose, or with 1x1 convolutions."""
    shape: tuple[int, ...] = (4,) if last else (4, 1, 1)
    arrays = {
        "w": weights(4, 3, 3, 3),
        "up": weights(4, 6) if last else weights(6, 4, 1, 1),
        "down": weights(6, 4) if last else weights(4, 6, 1, 1),
        "scale": weights(*shape),
        "shift": weights(*shape),
        "axis": np.array([-1 if last else 1]),
    }
    layer = "MatMul" if last else "Conv"
    inner = [
        *layer_norm("a", "b", int(arrays["axis"][0]), opset),
        node(layer, "b up", "d"),
        node("Div", "d root", "d.erf"),
        node("Erf", "d.erf", "e"),
        node("Add", "e one", "f"),
        node("Mul", "d f", "g"),
        node("Mul", "g half", "h"),
        node(layer, "h down", "i"),
    ]
    begin, end = node("Transpose", "conv", "a", perm=NHWC), node("Transpose", "i", "j", perm=NCHW)
    if not last:
        begin, end = node("Identity", "conv", "a"), node("Identity", "i", "j")
    first = node("Conv", "x w", "conv", pads=[1, 1, 1, 1])
    nodes = [first, begin, *inner, end, node("Add", "conv j", "y")]
    return model(nodes, {**CONSTANTS, **arrays}, opset=opset)


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("last", [True, False], ids=["channels last", "channels first"])
def test_layer_norms_over_channels_are_one_operation(
    last: bool, opset: int, tmp_path: Path
) -> None:
    network = same(saved(blocks_of_convnext(last, opset), tmp_path))
    ops = ["input", "conv", "layer_norm", "conv", "conv", "add"]
    assert [n.op for n in network.nodes.nodes] == ops
    assert network.nodes.nodes[3].act == "gelu"
    assert network_cost(network).params == 4 * 3 * 9 + 2 * 4 + 2 * 4 * 6
    for target in ("x86-avx512-ort", "jetson-nano"):
        assert nas.Target.load(target).predict(network).ms > 0

    path = tmp_path / "again.onnx"
    written = graph_to_onnx(network.nodes, network.weights, opset=opset)
    timed, _ = skeleton(network.nodes)
    for made, one in ((written, opset > 13), (timed, True)):
        assert ("LayerNormalization" in {n.op_type for n in made.graph.node}) == one
    onnx.checker.check_model(written, full_check=True)
    onnx.save(written, str(path))
    x = images(1, 3, 8, 8)
    (ours,), (theirs,) = onnxruntime_of(path, x), onnxruntime_of(tmp_path / "a.onnx", x)
    np.testing.assert_allclose(ours.ravel(), theirs.ravel(), atol=1e-4)
    assert [n.op for n in same(path).nodes.nodes] == ops


def test_keras_layer_norm_is_the_same_operation(tmp_path: Path) -> None:
    nodes = [
        *conv("x", "w", "a"),
        node("LayerNormalization", "a scale shift", "b", axis=-1, epsilon=1e-3),
        *conv("b", "w", "y"),
    ]
    arrays = {"w": weights(3, 3, 1, 1), "scale": weights(3), "shift": weights(3)}
    network = same(saved(model(nodes, arrays, IMAGE, opset=17), tmp_path))
    assert kinds(network)["layer_norm"] == 1
    assert kinds(network)["swap"] == 1  # of the result


@pytest.mark.parametrize(
    ("nodes", "opset"),
    [
        ([node("PRelu", "x slopes", "y")], 13),
        ([node("Max", "x low", "y")], 13),
        ([node("Min", "half x", "y")], 13),
        ([node("Clip", "x", "y", max=0.5)], 7),
        ([node("Mul", "x columns", "y")], 13),
        ([node("Sub", "grid x", "y")], 13),
        ([node("Slice", "x starts ends axes steps", "y")], 13),
        ([node("Softmax", "x", "y", axis=3)], 12),
        ([node("Pad", "x pads", "y", mode="edge")], 13),
        ([node("Pad", "x pads", "y", mode="reflect")], 13),
        ([node("Pad", "x pads", "a", mode="edge"),
          node("MaxPool", "a", "y", kernel_shape=[2, 3], pads=[1, 1, 1, 1])], 13),
        ([node("Concat", "x x", "y", axis=3)], 13),
        ([node("MatMul", "x m", "y")], 13),
        ([node("Concat", "token x", "y", axis=2)], 13),
        ([node("Reshape", "x heads", "a"), node("Concat", "a last", "y", axis=0)], 13),
        ([node("Reshape", "x rows", "a"), node("Gemm", "a m five", "y", alpha=0.5, beta=2.0)], 13),
        ([node("Reshape", "x heads", "a"), node("MatMul", "a m", "y")], 13),
        ([node("Reshape", "x heads", "a"), node("Softmax", "a", "y", axis=0)], 13),
        ([node("Reshape", "x heads", "a"), node("Softmax", "a", "y", axis=1)], 12),
        ([node("InstanceNormalization", "x each all", "y", epsilon=0.1)], 13),
        ([node("GroupNormalization", "x each all", "y", num_groups=3)], 18),
        ([node("GroupNormalization", "x each all", "y", num_groups=1)], 21),
        ([node("ReduceSum", "x axis", "y")], 13),
        ([node("ReduceSum", "x", "y", axes=[2, 3])], 11),
        ([node("ReduceMax", "x", "y", axes=[1], keepdims=0)], 13),
        ([node("Reshape", "x parts", "a"), node("ReduceMean", "a", "y", axes=[1, 2])], 13),
        ([node("Reciprocal", "x", "y")], 13),
        ([node("Div", "grid x", "y")], 13),
        ([node("ReduceMean", "x", "a", axes=[1]), node("Div", "x a", "y")], 13),
        ([node("ReduceMean", "x", "a", axes=[2]), node("Div", "a x", "y")], 13),
        ([node("ReduceMean", "x", "a", axes=[2]), node("Expand", "a wide", "y")], 13),
        ([node("Reshape", "x parts", "a"), node("ReduceMean", "a", "b", axes=[2, 3]),
          node("Expand", "b parts", "y")], 13),
        ([node("Reshape", "x parts", "a"), node("ReduceMean", "a", "b", axes=[4]),
          node("Mul", "b a", "y")], 13),
    ],
    ids=lambda value: value[0].op_type if isinstance(value, list) else str(value),
)  # fmt: skip
def test_single_operations_compute_what_onnxruntime_does(
    nodes: list[onnx.NodeProto], opset: int, tmp_path: Path
) -> None:
    arrays = {
        "slopes": weights(3, 1, 1),
        "columns": weights(8),
        "grid": weights(3, 1, 8),
        "pads": np.array([0, 0, 1, 0, 0, 0, 1, 2]),
        "starts": np.array([1, 0]),
        "ends": np.array([8, -1]),
        "axes": np.array([2, 3]),
        "steps": np.array([2, 3]),
        "m": weights(8, 5),
        "five": weights(5),
        "each": weights(3),
        "all": weights(3),
        "axis": np.array([1]),
        "parts": np.array([1, 3, 2, 4, 8]),
        "wide": np.array([1, 3, 8, 8]),
        "rows": np.array([24, 8]),
        "heads": np.array([4, 6, 8]),
        "token": weights(1, 3, 1, 8),
        "last": weights(2, 6, 8),
    }
    network = same(saved(model(nodes, {**CONSTANTS, **arrays}, opset=opset), tmp_path))
    assert network.unread == {}


@given(st.permutations(range(5)), st.permutations([1, 2, 2, 3, 16]))
@settings(max_examples=25, deadline=None)
def test_dimensions_are_put_into_any_order(order: list[int], sizes: list[int]) -> None:
    nodes = [node("Reshape", "x sizes", "a"), node("Transpose", "a", "y", perm=order)]
    with TemporaryDirectory() as folder:
        same(saved(model(nodes, {"sizes": np.array(sizes)}), Path(folder)))


def test_a_batch_is_broadcast_along_its_own_dimensions(tmp_path: Path) -> None:
    """Eight by one: in the graph's three dimensions these would stand elsewhere."""
    nodes = [
        node("Reshape", "x eight", "a"),
        node("ReduceMean", "a", "b", axes=[2]),
        node("ReduceMean", "b", "c", axes=[0]),
        node("Div", "a c", "d"),
        node("Mul", "d same", "y"),
    ]
    arrays = {"eight": np.array([8, 8, 3]), "same": weights(1, 8, 1)}
    assert same(saved(model(nodes, arrays), tmp_path)).unread == {}


def test_a_bias_for_each_row_is_not_one_for_each_column(tmp_path: Path) -> None:
    nodes = [node("Reshape", "x rows", "a"), node("Gemm", "a m each", "y")]
    arrays = {"rows": np.array([24, 8]), "m": weights(8, 24), "each": weights(24, 1)}
    assert read_onnx(saved(model(nodes, arrays), tmp_path)).unread == {"Gemm": 1}


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(("first", "scores"), [(True, False), (False, True)])
def test_torchs_attention_is_read(first: bool, scores: bool, tmp_path: Path) -> None:
    """Its tokens stand in the first dimension, unless it is told that the batch does. Without the
    scores it is exported with arithmetic of shapes, empty ones among them."""

    class Attention(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.within = torch.nn.MultiheadAttention(16, 4, batch_first=first)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x.reshape((1, 12, 16) if first else (12, 1, 16))
            attended: torch.Tensor = self.within(tokens, tokens, tokens, need_weights=scores)[0]
            return attended

    path = tmp_path / "a.onnx"
    example = (torch.zeros(1, 3, 8, 8),)
    torch.onnx.export(Attention().eval(), example, path, dynamo=False, opset_version=17)
    network = same(path)
    assert network.unread == {}
    assert kinds(network)["matmul"] == 2


def test_tokens_are_added_and_concatenated_with_channels_in_front(tmp_path: Path) -> None:
    """Those of a transformer, (1, tokens, channels): transposes meet as those of maps do."""
    nodes = [
        node("Reshape", "x flat", "a"),
        node("Transpose", "a", "b", perm=[0, 2, 1]),
        node("MatMul", "b up", "c"),
        node("Add", "c bias", "d"),
        node("Relu", "d", "e"),
        node("MatMul", "e down", "f"),
        node("Add", "b f", "g"),
        node("Concat", "g b", "h", axis=-1),
        node("MatMul", "h both", "y"),
    ]
    arrays = {
        "flat": np.array([1, 3, 64]),
        "up": weights(3, 5),
        "bias": weights(5),
        "down": weights(5, 3),
        "both": weights(6, 4),
    }
    network = same(saved(model(nodes, arrays), tmp_path))
    ops = ["input", "reshape", "conv", "conv", "add", "concat", "conv", "swap"]
    assert [n.op for n in network.nodes.nodes] == ops


@pytest.mark.parametrize(("kernel", "pads"), [(3, 0), (2, 1)])
def test_a_border_is_repeated_by_the_pooling_itself(kernel: int, pads: int, tmp_path: Path) -> None:
    """Keras' `same` on torch. A window that sees copies alone must keep them."""
    pool = node("MaxPool", "a", "y", kernel_shape=[kernel] * 2, strides=[2, 2], pads=[pads] * 4)
    nodes = [node("Pad", "x pads", "a", mode="edge"), pool]
    made = model(nodes, {"pads": np.array([0, 0, 0, 0, 0, 0, 1, 1])})
    assert kinds(same(saved(made, tmp_path)))["pad"] == (pads > 0)
