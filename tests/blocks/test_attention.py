"""Attention in blocks and the primitives it is made of, against torch operations written here."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.blocks import KINDS, Block, Layer, block_graph, kind
from nas.blocks.attention import ATTENTION, attend, eca_kernel
from nas.costs import graph_cost
from nas.formats.onnx_model import graph_to_onnx
from nas.graph import Builder
from nas.latency.lowering.kernels import KernelOp, kernels
from nas.support.errors import NasError, ShapeError
from nas.testing.numerics import images, randomise, run_onnx
from nas.torch_module import GraphModule

SHAPE = (40, 9, 14)
LAYER = Layer(40, 24, 1, 0.0, 8)
# Every block with the option, as a layer of a space that leaves everything else to the block.
ROWS = {k.name: k.resolve(LAYER, {}) for k in KINDS.values() if "attention" in k.choices}
# Where the papers put it: the channels that it gates in those rows.
GATED = {
    "inverted": 240,
    "ghost": 240,
    "shuffle": 12,  # half of the outputs
    "shuffle_v1": 8,
    "depthwise": 40,
    "fire": 24,
    "squeezenext": 24,
    "basic": 24,
    "bottleneck": 24,
    "uib": 160,
    "micro": 240,
}

every_block = pytest.mark.parametrize("name", ROWS)


def gated(row: Block) -> int:
    """The channels that a row's attention gates, read off its graph."""
    eca = block_graph(Block(row.kind, **{**dict(row.settings), "attention": "eca"}), SHAPE)
    (gate,) = (node for node in eca.nodes if node.op == "multiply")
    return gate.shape[0]


@pytest.mark.parametrize("name", GATED)
def test_attention_gates_what_the_paper_says(name: str) -> None:
    assert gated(ROWS[name]) == GATED[name]


def module_of(attention: str) -> GraphModule:
    net = Builder(SHAPE)
    module = GraphModule(net.finish(attend(net, 0, 0, attention)))
    randomise(module)
    return module


def eca(x: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """A 1-d convolution over the vector of channel means, as in the paper's figure."""
    kernel = weights["eca.conv.weight"].reshape(1, 1, -1)
    gate = torch.sigmoid(F.conv1d(x.mean((2, 3))[:, None], kernel, padding=kernel.shape[2] // 2))
    return x * gate[:, 0, :, None, None]


def coordinate(x: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Means of rows and columns side by side, mixed by one matrix, then a gate for each axis."""

    def pointwise(name: str, v: Tensor) -> Tensor:
        mixed = torch.einsum("oc,ncl->nol", weights[f"{name}.conv.weight"][:, :, 0, 0], v)
        bias = weights.get(f"{name}.conv.bias")
        return mixed if bias is None else mixed + bias[:, None]

    n = "coordinate_reduce.norm."
    mixed = pointwise("coordinate_reduce", torch.cat([x.mean(3), x.mean(2)], dim=2))
    stats = (weights[n + "running_mean"], weights[n + "running_var"])
    mixed = F.hardswish(F.batch_norm(mixed, *stats, weights[n + "weight"], weights[n + "bias"]))
    rows, columns = torch.split(mixed, [x.shape[2], x.shape[3]], dim=2)
    row_gate = torch.sigmoid(pointwise("coordinate_rows", rows))
    column_gate = torch.sigmoid(pointwise("coordinate_columns", columns))
    return x * row_gate[:, :, :, None] * column_gate[:, :, None, :]


def cbam(x: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Channels by a shared perceptron of means and maxima, then pixels by a 7x7 of the two maps."""

    def perceptron(v: Tensor) -> Tensor:
        for name in ("cbam_reduce", "cbam_expand"):
            weight, bias = (weights[f"{name}.conv.{key}"] for key in ("weight", "bias"))
            v = F.linear(v if name == "cbam_reduce" else F.relu(v), weight[:, :, 0, 0], bias)
        return v

    gate = torch.sigmoid(perceptron(x.mean((2, 3))) + perceptron(x.amax((2, 3))))
    x = x * gate[:, :, None, None]
    maps = torch.stack([x.mean(1), x.amax(1)], dim=1)
    n = "cbam_spatial."
    mixed = F.conv2d(maps, weights[n + "conv.weight"], padding=3)
    mean, variance, scale, shift = (
        weights[f"{n}norm.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return x * torch.sigmoid(F.batch_norm(mixed, mean, variance, scale, shift))


Expected = Callable[[Tensor, dict[str, Tensor]], Tensor]


EXPECTED: dict[str, Expected] = {"eca": eca, "coordinate": coordinate, "cbam": cbam}


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_computes_what_the_paper_says(name: str) -> None:
    expected = EXPECTED[name]
    module, x = module_of(name), torch.from_numpy(images(2, *SHAPE))
    with torch.no_grad():
        result = module(x)
        torch.testing.assert_close(result, expected(x, module.state_dict()))
    assert not torch.allclose(result, x, atol=1e-2)


@pytest.mark.parametrize(
    ("channels", "kernel"), [(1, 1), (8, 3), (16, 3), (64, 3), (128, 5), (256, 5), (512, 5)]
)
def test_eca_kernel_is_that_of_the_paper(channels: int, kernel: int) -> None:
    assert eca_kernel(channels) == kernel


def test_coordinate_attention_has_the_parameters_of_the_paper() -> None:
    net = Builder((512, 7, 7))
    cost = graph_cost(net.finish(attend(net, 0, 0, "coordinate")))
    assert cost.params == 512 * 16 + 2 * 16 + 2 * (16 * 512 + 512)  # 512 / 32 in the middle
    assert cost.macs == 512 * 16 * 14 + 2 * 16 * 512 * 7


@every_block
@pytest.mark.parametrize("attention", ATTENTION)
def test_every_block_gates_its_channels(name: str, attention: str) -> None:
    row = ROWS[name]
    plain = graph_cost(block_graph(row, SHAPE))
    with_it = block_graph(Block(name, **dict(row.settings), attention=attention), SHAPE)
    net = Builder((gated(row), *SHAPE[1:]))
    alone = graph_cost(net.finish(attend(net, 0, 0, attention)))

    assert graph_cost(with_it).params == plain.params + alone.params
    assert graph_cost(with_it).macs == plain.macs + alone.macs


@pytest.mark.parametrize("name", [name for name in ROWS if "se" in kind(name).choices])
def test_squeeze_and_excitation_gates_the_same_channels(name: str) -> None:
    row = ROWS[name]
    c, plain = gated(row), graph_cost(block_graph(row, SHAPE))
    squeezed = graph_cost(block_graph(Block(name, **dict(row.settings), se=8), SHAPE))

    assert squeezed.macs == plain.macs + 2 * 8 * c
    assert squeezed.params == plain.params + 2 * 8 * c + 8 + c


@every_block
def test_attention_is_a_choice_of_a_space(name: str) -> None:
    choices = kind(name).choices
    assert choices["attention"].accepts("eca")
    assert choices["attention"].accepts(None)
    assert choices["attention"].default is None
    assert "se" not in choices or choices["se"].accepts(0.25)


@every_block
def test_attention_stands_before_the_shortcut_is_added(name: str) -> None:
    row = Block(name, **dict(ROWS[name].settings), attention="eca")
    nodes = block_graph(row, SHAPE).nodes
    ops = [node.op for node in nodes]
    assert "add" not in ops[: ops.index("multiply")]


def test_unknown_attention_is_refused_with_the_nearest() -> None:
    with pytest.raises(NasError, match="attention 'ecca' is unknown; did you mean 'eca'"):
        block_graph(Block("fire", out=8, squeeze=4, attention="ecca"), SHAPE)


PRIMITIVES: dict[str, tuple[Callable[[Builder], int], Callable[[Tensor], Tensor]]] = {
    "swap channels and rows": (lambda net: net.swap(0, 0), lambda x: x.transpose(1, 2)),
    "swap rows and columns": (lambda net: net.swap(0, 1), lambda x: x.transpose(2, 3)),
    "concat rows": (
        lambda net: net.concat(0, net.maxpool(0, stride=1), 0, rows=True),
        lambda x: torch.cat([x, F.max_pool2d(x, 3, 1, 1), x], dim=2),
    ),
    "split rows": (
        lambda net: net.split(0, 2, 3, 4, rows=True)[1],
        lambda x: x.split([2, 3, 4], dim=2)[1],
    ),
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitive_is_that_of_torch_everywhere(name: str) -> None:
    operation, expected = PRIMITIVES[name]
    net = Builder(SHAPE)
    graph = net.finish(operation(net))
    x = images(2, *SHAPE)
    wanted = expected(torch.from_numpy(x)).contiguous()

    assert graph.output_shape == tuple(wanted.shape[1:])
    torch.testing.assert_close(GraphModule(graph)(torch.from_numpy(x)), wanted)
    model = graph_to_onnx(graph, {}, dynamic_batch=True)
    np.testing.assert_array_equal(run_onnx(model, x), wanted.flatten(1).numpy())
    assert {kernel.op for kernel in kernels(graph)} <= set(get_args(KernelOp))
    assert graph_cost(graph)[:2] == (0, 0)


ERRORS: dict[str, tuple[Callable[[Builder], object], tuple[str, ...]]] = {
    "swap": (lambda net: net.swap(0, 2), ("swap", "2", "(40, 9, 14)", "0 or 1")),
    "concat rows of other channels": (
        lambda net: net.concat(0, net.conv(0, 8), rows=True),
        ("concat", "(40, 9, 14)", "(8, 9, 14)", "channels or width"),
    ),
    "concat rows of other widths": (
        lambda net: net.concat(0, net.maxpool(0), rows=True),
        ("concat", "(40, 9, 14)", "(40, 5, 7)", "channels or width"),
    ),
    "split rows": (
        lambda net: net.split(0, 4, 4, rows=True),
        ("split", "(4, 4)", "rows of (40, 9, 14)"),
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_impossible_primitive_names_itself_and_the_shapes(name: str) -> None:
    operation, fragments = ERRORS[name]
    with pytest.raises(ShapeError) as caught:
        operation(Builder(SHAPE))
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize("attention", ATTENTION)
def test_attention_as_kernels(attention: str) -> None:
    net = Builder(SHAPE)
    graph = net.finish(attend(net, 0, 0, attention))
    found = kernels(graph)
    assert sum(kernel.macs for kernel in found) == graph_cost(graph).macs
    operations = {
        "eca": ["gap", "swap", "conv", "swap", "multiply"],
        "coordinate": [
            *["avgpool", "avgpool", "swap", "concat", "pointwise", "activate", "slice", "slice"],
            *["pointwise", "swap", "pointwise", "multiply", "multiply"],
        ],
        "cbam": [
            *["gap", "maxpool", "concat", "pointwise", "pointwise", "slice", "slice", "add"],
            *["multiply", "swap", "avgpool", "swap", "maxpool", "swap", "concat", "conv"],
            "multiply",
        ],
    }
    assert [kernel.op for kernel in found] == operations[attention]
