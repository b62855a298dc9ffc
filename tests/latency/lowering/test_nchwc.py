"""The lowering to blocked channels is what onnxruntime's own optimiser does."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import nas
from nas.architecture import Architecture
from nas.blocks import Block
from nas.formats.onnx_model import graph_to_onnx
from nas.graph import Builder, Graph
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.nchwc import BLOCKED, PLANAR, lower
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
    "tanh": "Tanh",
    "leaky_relu": "LeakyRelu",
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
        parts = {"hswish": ["HardSigmoid", "Mul"], "silu": ["QuickGelu"], "gelu": ["Gelu"]}
        return parts.get(kernel.act or "", [act[1:]])
    return OTHERS[kernel.op]


@pytest.mark.parametrize("space", ["mobile", "small"])
def test_random_networks_are_lowered_as_onnxruntime_does(space: str, tmp_path: Path) -> None:
    """Of 150 networks those in which two kernels follow one another as in none before."""
    assert HERE is not None
    networks = nas.SearchSpace.load(space)
    seen: set[object] = set()
    for seed in range(150):
        arch = networks.sample(seed)
        kinds = [_kind(kernel) for kernel in network_kernels(arch, HERE)]
        if not seen.issuperset(pairs := set(pairwise(kinds))):
            seen |= pairs
            assert lowered(arch) == optimised(arch, tmp_path), seed


def _kind(kernel: Kernel) -> tuple[object, ...]:
    channels = kernel.output[0]
    aligned = (channels % 16 == 0, channels % 8 == 0, channels % 4 == 0)
    return kernel.op, kernel.layout, kernel.act, kernel.residual, kernel.size, aligned


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


@pytest.mark.parametrize("act", ["tanh", "leaky_relu", "gelu"])
def test_activations_of_other_programs_are_lowered_as_onnxruntime_does(
    act: str, tmp_path: Path
) -> None:
    rows = tuple(Block("conv", out=out, kernel=3, act=act) for out in (32, 37, 24))
    arch = Architecture(16, rows[:1], (rows[1:],), (Block("gap"),))
    assert lowered(arch) == optimised(arch, tmp_path)


# What is compared in full: inputs, output, kernel, stride and groups.
VALUED = {
    **dict.fromkeys(("conv", "pointwise", "depthwise", "grouped"), "Conv"),
    **POOLS,
    "reorder_input": "ReorderInput",
    "reorder_output": "ReorderOutput",
    "add": "Add",
    "multiply": "Mul",
    "concat": "Concat",
    "linear": "Gemm",
}
Work = tuple[Any, ...]


def executed(graph: Graph, folder: Path) -> Counter[Work]:
    """What onnxruntime runs, with the shapes that its profiler sees and its nodes' attributes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    model = graph_to_onnx(graph).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    session.run(None, {session.get_inputs()[0].name: np.zeros((1, *graph.input_shape), "f4")})
    nodes = {node.name: node for node in onnx.load(folder / "optimised.onnx").graph.node}
    found: Counter[Work] = Counter()
    for event in json.loads(Path(session.end_profiling()).read_text()):
        op = event.get("args", {}).get("op_name", "").replace("Fused", "")
        name = event["name"].removesuffix("_kernel_time")
        if op not in VALUED.values() or name == event["name"]:
            continue
        set_: dict[str, Any] = {}
        if name in nodes or op != "Mul":  # that of h-swish that follows no convolution has no name
            set_ = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[name].attribute}
        inputs, outputs = (
            [tuple(shape) for one in event["args"][f"{side}_type_shape"] for shape in one.values()]
            for side in ("input", "output")
        )
        if op == "Conv" or op == "Gemm":
            inputs = inputs[:1]  # not the weights
        inputs = [shape[1:] for shape in inputs if shape[0] == 1 and len(shape) in (2, 4)]
        window = tuple(set_.get("kernel_shape", (1, 1))), set_.get("strides", (1,))[0]
        groups = set_["group"] if op == "Conv" else 1
        output = outputs[0][1:]
        if op == "Mul":  # of what a linear layer makes, which is flat
            inputs, output = [(*s, 1, 1)[:3] for s in inputs], (*output, 1, 1)[:3]
        found[op, tuple(inputs), output, *window, groups] += 1
    return found


def valued(kernels: tuple[Kernel, ...]) -> Counter[Work]:
    """The same of the kernels."""
    found: Counter[Work] = Counter()
    for k in kernels:
        op, inputs, output = VALUED.get(k.op), k.inputs, k.output
        if k.op == "activate" and k.act == "hswish":
            op, inputs = "Mul", (output, output)  # with the gate
        if op is None:
            continue
        if op == "Gemm":
            inputs, output = ((prod(inputs[0]),),), output[:1]  # type: ignore[assignment]
        groups = k.groups if op == "Conv" else 1
        found[op, inputs, output, k.size, k.stride, groups] += 1
    return found


@pytest.mark.parametrize(
    ("space", "count"), [("mobile", 12), ("small", 12), ("squeeze", 2), ("shuffle", 2)]
)
def test_kernels_do_the_work_that_onnxruntime_executes(
    space: str, count: int, tmp_path: Path
) -> None:
    networks = nas.SearchSpace.load(space)
    for seed in range(count):
        arch = networks.sample(seed)
        assert HERE is not None
        assert valued(network_kernels(arch, HERE)) == executed(arch.graph(), tmp_path), seed


def strided() -> Graph:
    """Windows of every size, stride and padding, on odd and oblong shapes."""
    net = Builder((3, 29, 22))
    x = net.conv(0, 24, kernel=5, stride=3, padding=0)
    x = net.conv(x, 24, kernel=(1, 3), stride=1)
    x = net.maxpool(x, kernel=2, stride=1, padding=0)
    x = net.depthwise(x, kernel=5, stride=1)
    x = net.conv(x, 40, kernel=3, stride=2, padding=2, groups=8)
    x = net.avgpool(x, kernel=3, stride=2, padding=1)
    return net.finish(net.linear(x, 7))


def summed() -> Graph:
    """A sum of four tensors, none of which a convolution makes alone, and its activation."""
    net = Builder((3, 12, 12))
    x = net.conv(0, 20)
    pools = [net.maxpool(x, kernel=k, stride=1, padding=k // 2) for k in (3, 5, 7)]
    x = net.add(*pools, x, act="relu")
    return net.finish(net.linear(net.gap(x), 5))


@pytest.mark.parametrize("make", [strided, summed])
def test_kernels_of_a_graph_do_the_work_that_onnxruntime_executes(
    make: Any, tmp_path: Path
) -> None:
    assert HERE is not None
    graph = make()
    assert valued(lower(graph, False, BLOCKS[HERE]).kernels) == executed(graph, tmp_path)
