"""Settings that only some layouts of a block have, and what pruning leaves of a Fire module."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nas.blocks import Block, Layer, Settings, block_graph, kind
from nas.costs import graph_cost
from nas.formats.onnx_model import graph_to_onnx
from nas.support.errors import ShapeError
from nas.testing.numerics import images, randomise, run_onnx, run_torch
from nas.torch_module import GraphModule


def test_a_bias_below_a_norm_is_folded_into_the_exported_convolution() -> None:
    """Against torch operations written here: shift + scale * (w x + bias)."""
    graph = block_graph(Block("conv", out=8, kernel=3, bias=True), (4, 6, 5))
    module, x = randomise(GraphModule(graph)), images(2, 4, 6, 5)
    state = module.state_dict()
    assert state["conv.conv.bias"].abs().min() > 0
    norm = [state[f"conv.norm.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
    y = F.conv2d(torch.from_numpy(x), state["conv.conv.weight"], state["conv.conv.bias"], padding=1)
    expected = F.relu(F.batch_norm(y, *norm)).numpy()

    model = graph_to_onnx(graph, {k: v.numpy() for k, v in state.items()}, dynamic_batch=True)
    np.testing.assert_allclose(run_onnx(model, x), expected.reshape(2, -1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run_torch(module, x), expected, rtol=1e-4, atol=1e-5)


def test_biases_of_squeezenext_are_parameters_and_matter() -> None:
    shape = (16, 9, 9)
    row = Block("squeezenext", out=24, hidden=8, stride=2, bias=True)
    graph, plain = (block_graph(r, shape) for r in (row, Block(row.kind, **unbiased(row))))
    convolutions = [8, 4, 8, 8, 24, 24]
    assert graph_cost(graph).params == graph_cost(plain).params + sum(convolutions)
    assert graph_cost(graph).macs == graph_cost(plain).macs

    module, x = randomise(GraphModule(graph)), images(2, *shape)
    state = {k: v.numpy() for k, v in module.state_dict().items()}
    without = {k: 0 * v if k.endswith("conv.bias") else v for k, v in state.items()}
    expected = run_torch(module, x).reshape(2, -1)
    found, other = (
        run_onnx(graph_to_onnx(graph, s, dynamic_batch=True), x) for s in (state, without)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert not np.allclose(found, other, atol=1e-2)


def unbiased(row: Block) -> Settings:
    return {k: v for k, v in row.settings if k != "bias"}


@pytest.mark.parametrize(
    ("prune", "out", "squeeze"), [(0.0, 64, 16), (0.25, 48, 16), (0.5, 32, 8), (0.75, 16, 8)]
)
def test_pruning_a_fire_module_narrows_squeeze_and_both_expands(
    prune: float, out: int, squeeze: int
) -> None:
    row = kind("fire").resolve(Layer(32, 64, 1, prune, 8), {"squeeze": 0.25})
    channels = [node.shape[0] for node in block_graph(row, (32, 8, 8)).nodes]
    assert channels == [32, squeeze, out // 2, out // 2, out]


@pytest.mark.parametrize(
    ("inputs", "out", "stride", "left"),
    [
        (24, 116, 2, 24),  # the authors' layout of the first unit of ShuffleNetV2 1.0
        (24, 48, 2, 0),  # half of it anyway
        (48, 48, 1, 0),  # the shape is kept: no second branch but half of the input
        (48, 48, 2, 0),  # nothing would be left for the main branch
        (64, 48, 1, 0),
    ],
)
def test_the_second_branch_of_shuffle_keeps_the_inputs_channels(
    inputs: int, out: int, stride: int, left: int
) -> None:
    layer = Layer(inputs, out, stride, 0.0, 4)
    row = kind("shuffle").resolve(layer, {"keep_left": True})
    assert row.get("left") == left
    graph = block_graph(row, (inputs, 8, 8))
    assert graph.output_shape == (out, 8 // stride, 8 // stride)
    made = {node.name: node.shape[0] for node in graph.nodes}
    if left:
        assert (made["left_pointwise"], made["project"]) == (left, out - left)
        assert made["expand"] == out // 2
    else:
        assert row is kind("shuffle").resolve(layer, {})


def test_the_second_branch_of_shuffle_leaves_room_for_the_main_one() -> None:
    with pytest.raises(ShapeError, match="left=16 must be less than the 16 outputs"):
        block_graph(Block("shuffle", out=16, left=16, stride=2), (8, 8, 8))


@pytest.mark.parametrize("prune", [0.0, 0.25, 0.5, 0.75])
def test_hidden_channels_of_shuffle_v1_are_legal_for_groups_and_divisor(prune: float) -> None:
    layer = Layer(120, 120, 1, prune, 4)
    hidden = kind("shuffle_v1").resolve(layer, {"groups": 3}).get("hidden")
    assert isinstance(hidden, int)
    assert hidden % 12 == 0
