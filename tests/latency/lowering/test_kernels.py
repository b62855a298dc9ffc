"""The lowering, against the costs of the graph and against onnxruntime's own optimised graph."""

from collections import Counter
from pathlib import Path
from typing import get_args

import onnx
import onnxruntime
import pytest

import nas
from nas.blocks import Block, block_graph
from nas.formats.onnx_model import graph_to_onnx
from nas.graph import Builder, Graph
from nas.latency.lowering.kernels import Kernel, KernelOp, kernels, row_kernels
from nas.latency.lowering.rows import network_kernels
from nas.space import SearchSpace

REFERENCES = ["alexnet", "densenet121", "mobilenet_v2_100", "resnet50", "shufflenet_v2_x1_0"]
CONVOLUTIONS: tuple[KernelOp, ...] = ("conv", "pointwise", "depthwise", "grouped")


def runtime_ops(graph: Graph, folder: Path) -> Counter[str]:
    """The operations that onnxruntime executes after its own fusions."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    model = graph_to_onnx(graph).SerializeToString()
    onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    optimised = onnx.load(options.optimized_model_filepath)
    return Counter(node.op_type for node in optimised.graph.node)


@pytest.mark.parametrize("name", REFERENCES)
def test_macs_and_weights_of_references_add_up(name: str) -> None:
    arch = nas.reference(name)
    assert sum(k.macs for k in network_kernels(arch)) == nas.cost(arch).macs
    assert sum(k.macs for k in kernels(arch.graph())) == nas.cost(arch).macs


@pytest.mark.parametrize("space", ["mobile", "small"])
def test_macs_of_random_networks_add_up(space: str) -> None:
    for seed in range(20):
        arch = SearchSpace.load(space).sample(seed)
        found = network_kernels(arch)
        assert sum(k.macs for k in found) == nas.cost(arch).macs
        assert {k.op for k in found} <= set(get_args(KernelOp))
        assert all(k.moved > k.weights >= 0 for k in found)


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small_100", *REFERENCES[1:]])
def test_convolutions_and_additions_are_those_that_onnxruntime_executes(
    name: str, tmp_path: Path
) -> None:
    arch = nas.reference(name, resolution=96)
    found = Counter(k.op for k in kernels(arch.graph()))
    fused = sum(k.residual for k in kernels(arch.graph()))
    executed = runtime_ops(arch.graph(), tmp_path)
    convolutions = executed["Conv"] + executed["FusedConv"]
    assert sum(found[op] for op in CONVOLUTIONS) == convolutions
    assert found["linear"] == executed["Gemm"] + executed["FusedGemm"]
    assert found["concat"] == executed["Concat"]
    assert found["gap"] == executed["GlobalAveragePool"]
    adds = sum(node.op == "add" for node in arch.graph().nodes)
    assert found["add"] + fused == adds


def test_a_residual_addition_is_fused_with_its_activation() -> None:
    net = Builder((8, 10, 10))
    x = net.conv(0, 8, kernel=3, act=None)
    expected = Kernel("conv", ((8, 10, 10),), (8, 10, 10), (3, 3), act="relu", residual=True)
    assert kernels(net.finish(net.add(0, x, act="relu"))) == (expected,)


def test_an_addition_is_not_fused_into_a_convolution_that_others_read() -> None:
    net = Builder((8, 10, 10))
    x = net.conv(0, 8, act=None)
    graph = net.finish(net.concat(net.add(0, x), x))
    assert [k.op for k in kernels(graph)] == ["pointwise", "add", "concat"]


def test_an_addition_is_not_fused_behind_an_activation() -> None:
    net = Builder((8, 10, 10))
    x = net.conv(0, 8, act="relu")
    assert [k.op for k in kernels(net.finish(net.add(0, x)))] == ["pointwise", "add"]


def test_a_smooth_activation_is_a_kernel_of_its_own() -> None:
    net = Builder((8, 10, 10))
    found = kernels(net.finish(net.conv(0, 8, act="hswish")))
    assert [(k.op, k.act) for k in found] == [("pointwise", None), ("activate", "hswish")]


def test_bytes_count_reads_writes_and_weights() -> None:
    (kernel,) = row_kernels(Block("conv", out=16, kernel=3, stride=2), (3, 8, 8))
    assert kernel.weights == 16 * 3 * 9
    assert kernel.moved == 3 * 8 * 8 + 16 * 4 * 4 + kernel.weights
    (half,) = kernels(_crop())
    assert half.moved == 2 * 4 * 5 * 5


def _crop() -> Graph:
    net = Builder((8, 5, 5))
    return net.finish(net.crop(0, 4))


def test_row_kernels_are_the_kernels_of_the_block() -> None:
    row = Block("fire", out=32, squeeze=8)
    assert row_kernels(row, (16, 9, 9)) == kernels(block_graph(row, (16, 9, 9)))
