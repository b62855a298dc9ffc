"""int8 models: what onnxruntime makes of them, and that they still compute their network."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import nas
from nas.formats.onnx_model import graph_to_onnx
from nas.formats.quantise import quantised
from nas.graph import Builder, Graph


def optimised(model: onnx.ModelProto, folder: Path) -> Counter[str]:
    """The operations that onnxruntime executes, counted."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v2_100",
        "mobilenet_v3_small_100",
        "squeezenet1_1",
        "shufflenet_v1_x0_5",
        "shufflenet_v2_x0_5",
        "ghostnet_050",
        "resnet18",
        "densenet121",
    ],
)
def test_what_onnxruntime_can_quantise_it_does(name: str, tmp_path: Path) -> None:
    model = graph_to_onnx(nas.reference(name, resolution=64).graph())
    before = Counter(node.op_type for node in model.graph.node)
    made = quantised(model)
    onnx.checker.check_model(made, full_check=True)
    after = optimised(made, tmp_path)
    assert after["QLinearConv"] == before["Conv"]
    assert after["QGemm"] == before["Gemm"]
    assert after["QLinearConcat"] == before["Concat"]
    assert after["QLinearAdd"] == before["Add"]
    assert after["QLinearGlobalAveragePool"] == before["GlobalAveragePool"]
    assert after["QLinearAveragePool"] == before["AveragePool"]
    assert after["NhwcMaxPool"] + after["MaxPool"] == before["MaxPool"]
    assert not any(after[op] for op in ("Conv", "Gemm", "Add", "Concat", "Relu", "Clip"))
    # The image is quantised; of the rest only HardSigmoid and HardSwish are done in float.
    assert after["QuantizeLinear"] == 1 + before["HardSigmoid"] + before["HardSwish"]


def test_silu_is_quantised(tmp_path: Path) -> None:
    found = optimised(quantised(graph_to_onnx(small("silu"))), tmp_path)
    assert (found["QLinearSigmoid"], found["QLinearMul"]) == (2, 2)


def small(act: str) -> Graph:
    net = Builder((3, 16, 16))
    x = net.conv(0, 16, kernel=3, act=act)
    return net.finish(net.conv(x, 8, kernel=1, act=act))


@pytest.mark.parametrize("act", ["relu", "relu6", "hswish", "silu"])
def test_outputs_are_those_of_the_float_model(act: str) -> None:
    model = graph_to_onnx(small(act))
    image = np.random.default_rng(1).standard_normal((1, 3, 16, 16), np.float32)
    expected, found = (
        onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"image": image})[0]
        for m in (model, quantised(model))
    )
    # Two quantised layers with fixed ranges of 8: a step is 1/16, so an error of a few steps.
    assert np.abs(found - expected).mean() < 0.1 * np.abs(expected).std() + 0.03
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98


def test_weights_are_int8_by_channel_and_biases_int32() -> None:
    made = quantised(graph_to_onnx(small("relu")))
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in made.graph.initializer}
    weights = [(n, t) for n, t in tensors.items() if t.dtype == np.int8 and t.ndim == 4]
    assert len(weights) == 2
    for name, weight in weights:
        assert np.abs(weight.reshape(len(weight), -1)).max(1).tolist() == [127] * len(weight)
        assert tensors[f"{name.removesuffix('.q')}.scale"].shape == (len(weight),)
    biases = [name for name, tensor in tensors.items() if tensor.dtype == np.int32]
    assert sum(name.endswith(".bias.q") for name in biases) == 2
