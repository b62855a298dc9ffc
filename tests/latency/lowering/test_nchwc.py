"""The lowering to blocked channels is what onnxruntime's own optimiser does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx
import onnxruntime
import pytest

import nas
from nas.architecture import Architecture
from nas.blocks import Block
from nas.formats.onnx_model import graph_to_onnx
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.nchwc import BLOCKED, PLANAR
from nas.latency.lowering.rows import BLOCKS, network_kernels
from nas.latency.runner.layout import lowering

NAME = lowering("CPUExecutionProvider")
HERE = next((known for known in BLOCKS if known == NAME), None)
pytestmark = pytest.mark.skipif(HERE is None, reason="onnxruntime does not block channels")

ACTIVATIONS = {
    "relu": "Relu",
    "relu6": "Clip",
    "sigmoid": "Sigmoid",
    "hsigmoid": "HardSigmoid",
    "hswish": "HardSwish",
}
POOLS = {"maxpool": "MaxPool", "avgpool": "AveragePool", "gap": "GlobalAveragePool"}
OTHERS = {
    "reorder_input": ["nchwc.ReorderInput"],
    "reorder_output": ["nchwc.ReorderOutput"],
    "add": ["Add"],
    "multiply": ["Mul"],
    "concat": ["Concat"],
    "split": ["Split"],
    "slice": ["Slice"],
    "shuffle": ["Reshape", "Transpose", "Reshape"],
    "swap": ["Transpose"],
}


def optimised(arch: Architecture, folder: Path) -> Counter[str]:
    """The nodes of onnxruntime's optimised graph, by type, with what they fuse."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    model = graph_to_onnx(arch.graph()).SerializeToString()
    onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    found: Counter[str] = Counter()
    for node in onnx.load(folder / "optimised.onnx").graph.node:
        fused = {a.name: a.s.decode() for a in node.attribute if a.name == "activation"}
        name = node.domain.replace("com.microsoft", "").lstrip(".") + "." + node.op_type
        name = name.replace("FusedConv", "Conv").replace("FusedGemm", "Gemm").lstrip(".")
        name += f"+{fused['activation']}" if fused else ""
        found[name + "+add" * (node.op_type.endswith("Conv") and len(node.input) > 3)] += 1
    return found


def lowered(arch: Architecture) -> Counter[str]:
    """The nodes that the kernels stand for; the last one flattens the logits."""
    assert HERE is not None
    found = Counter(name for k in network_kernels(arch, HERE) for name in _nodes(k))
    return found + Counter(["Flatten"])


def _nodes(kernel: Kernel) -> list[str]:
    act = f"+{ACTIVATIONS[kernel.act]}" if kernel.act in ACTIVATIONS else ""
    if kernel.op in ("conv", "pointwise", "depthwise", "grouped"):
        name = "Conv" if kernel.layout == PLANAR else "nchwc.Conv"
        return [name + act + "+add" * kernel.residual]
    if kernel.op in POOLS:
        return ["nchwc." * (kernel.layout == BLOCKED) + POOLS[kernel.op]]
    if kernel.op == "linear":
        return ["Flatten", "Gemm" + act]
    if kernel.op == "activate":
        parts = {"hswish": ["HardSigmoid", "Mul"], "silu": ["QuickGelu"]}
        return parts.get(kernel.act or "", [act[1:]])
    return OTHERS[kernel.op]


@pytest.mark.parametrize(("space", "count"), [("mobile", 100), ("small", 100)])
def test_random_networks_are_lowered_as_onnxruntime_does(
    space: str, count: int, tmp_path: Path
) -> None:
    networks = nas.SearchSpace.load(space)
    for seed in range(count):
        arch = networks.sample(seed)
        assert lowered(arch) == optimised(arch, tmp_path), seed


@pytest.mark.parametrize(
    "space", ["squeeze", "ghost", "shuffle", "shuffle:v1", "mobilenet", "fbnet"]
)
def test_networks_of_a_family_are_lowered_as_onnxruntime_does(space: str, tmp_path: Path) -> None:
    networks = nas.SearchSpace.load(space)
    for seed in range(6):
        arch = networks.sample(seed)
        assert lowered(arch) == optimised(arch, tmp_path), seed


@pytest.mark.parametrize(
    "name", ["resnet50", "densenet121", "shufflenet_v1_x1_0", "mobilenet_v3_small_100", "alexnet"]
)
def test_published_networks_are_lowered_as_onnxruntime_does(name: str, tmp_path: Path) -> None:
    arch = nas.reference(name, resolution=96)
    assert lowered(arch) == optimised(arch, tmp_path)


@pytest.mark.parametrize("act", ["silu", "hswish", "relu6"])
@pytest.mark.parametrize("attention", ["eca", "coordinate", None])
@pytest.mark.parametrize("channels", [24, 32, 37])
def test_odd_blocks_are_lowered_as_onnxruntime_does(
    act: str, attention: str | None, channels: int, tmp_path: Path
) -> None:
    stem = Block("conv", out=channels, kernel=1)
    row = Block("inverted", out=channels, hidden=60, act=act, se=16, attention=attention)
    arch = Architecture(16, (stem,), ((row, row),), (Block("gap"),))
    assert lowered(arch) == optimised(arch, tmp_path)
