"""The contract of a block, over every registered kind: a new one is covered without an edit here.

Settings of a kind that a search space can use come from its own `resolve`, those of the others
from their types; both draw known names from `VALUES`.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from numerics import images, randomise, run_onnx, run_torch
from torch.utils.flop_counter import FlopCounterMode

from nas.architecture import Architecture
from nas.blocks import KINDS, Block, Layer, block_graph
from nas.blocks.attention import ATTENTION
from nas.blocks.registry import BlockKind, Parameter
from nas.costs import Cost, cost, graph_cost
from nas.formats.onnx_model import graph_to_onnx
from nas.graph import ACTIVATIONS, Shape
from nas.support.errors import ShapeError
from nas.torch_module import GraphModule

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "kernel": st.sampled_from((1, 3, 5)),
    "stride": st.sampled_from((1, 2)),
    "padding": st.sampled_from((0, 1)),
    "groups": st.sampled_from((1, 2)),
    "act": st.sampled_from((None, *ACTIVATIONS)),
    "expansion": st.sampled_from((2.0, 3.0, 6.0)),
    "squeeze": st.sampled_from((0.125, 0.5)),
    "se": st.sampled_from((0.0, 0.25)),
    "attention": st.sampled_from((None, *ATTENTION)),
}
SEARCHABLE = [k for k in KINDS.values() if {"out", "stride"} <= set(k.parameters)]
RATIOS = st.sampled_from((0.0, 0.25, 0.5, 0.75)) | st.floats(0, 1, exclude_max=True)

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
every_searchable_kind = pytest.mark.parametrize(
    "kind", SEARCHABLE, ids=[k.name for k in SEARCHABLE]
)


def values(name: str, parameter: Parameter) -> st.SearchStrategy[Any]:
    if name in VALUES:
        return VALUES[name]
    if bool in parameter.types:
        return st.booleans()
    if parameter.default is not inspect.Parameter.empty:
        return st.just(parameter.default)
    return st.sampled_from((8, 16))


def some(parameters: dict[str, Parameter]) -> st.SearchStrategy[Any]:
    """Values for a random subset of the parameters, those without a default always included."""
    required = {k for k, p in parameters.items() if p.default is inspect.Parameter.empty}
    drawn = {k: values(k, p) for k, p in parameters.items()}
    return st.fixed_dictionaries(
        {k: v for k, v in drawn.items() if k in required},
        optional={k: v for k, v in drawn.items() if k not in required},
    )


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    divisor = draw(st.sampled_from((2, 4, 8)))
    c = draw(st.integers(1, 4)) * divisor
    out = draw(st.sampled_from((c, 2 * c, 3 * divisor)))
    return Layer(c, out, draw(VALUES["stride"]), draw(RATIOS), divisor)


@st.composite
def cases(draw: st.DrawFn, kind: BlockKind, square: bool = False) -> tuple[Block, Shape]:
    """A row of the kind and an input shape that it takes."""
    layer = draw(layers())
    height = draw(st.integers(5, 14))
    shape = (layer.in_channels, height, height if square else draw(st.integers(5, 14)))
    if kind in SEARCHABLE:
        return kind.resolve(layer, draw(some(kind.choices))), shape
    row = Block(kind.name, **draw(some(kind.parameters)))
    try:
        block_graph(row, shape)
    except ShapeError:
        assume(False)
    return row, shape


@every_kind
@given(data=st.data())
def test_cost_and_shape_are_what_torch_counts(kind: BlockKind, data: st.DataObject) -> None:
    row, shape = data.draw(cases(kind))
    graph = block_graph(row, shape)
    module = GraphModule(graph).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        result = module(torch.zeros(1, *shape))

    assert graph.output_shape == tuple(result.shape[1:])
    assert 2 * graph_cost(graph).macs == counter.get_total_flops()
    assert graph_cost(graph).params == sum(p.numel() for p in module.parameters())


@every_kind
@given(data=st.data())
def test_onnxruntime_equals_torch(kind: BlockKind, data: st.DataObject) -> None:
    row, shape = data.draw(cases(kind))
    graph = block_graph(row, shape)
    module = randomise(GraphModule(graph))
    state = {k: v.numpy() for k, v in module.state_dict().items()}
    model = graph_to_onnx(graph, state, dynamic_batch=True)

    x = images(2, *shape)
    expected = run_torch(module, x).reshape(2, -1)
    np.testing.assert_allclose(run_onnx(model, x), expected, rtol=1e-4, atol=1e-4)
    assert not np.allclose(expected[0], expected[1], atol=1e-3) or not expected.any()


@every_kind
@given(data=st.data())
def test_json_round_trip(kind: BlockKind, data: st.DataObject) -> None:
    row, (c, height, _) = data.draw(cases(kind, square=True))
    arch = Architecture(height, (), ((row,),), (), channels=c)
    again = Architecture.from_json(arch.to_json())

    assert again == arch
    assert again.stages[0][0] is row
    assert again.hash == arch.hash
    assert cost(again) == graph_cost(arch.graph())


@every_searchable_kind
@given(data=st.data())
def test_pruning_gives_legal_channels_and_no_more_parameters(
    kind: BlockKind, data: st.DataObject
) -> None:
    layer, choices = data.draw(layers()), data.draw(some(kind.choices))
    row = kind.resolve(layer, choices)
    channels = {k: v for k, v in row.settings if k != "stride" and choices.get(k) != v}

    def cost_at(prune: float) -> Cost:
        pruned = kind.resolve(layer._replace(prune=prune), choices)
        return graph_cost(block_graph(pruned, (layer.in_channels, 8, 8)))

    # What is narrower than the divisor, or set by groups, to begin with may stay as it is.
    unpruned = kind.resolve(layer._replace(prune=0.0), choices)
    for k, v in channels.items():
        assert type(v) is not int or v % layer.divisor == 0 or v == unpruned.get(k)
        assert type(v) is not int or v > 0
    less, more = sorted((layer.prune, data.draw(RATIOS)))
    for some_pruning, none in ((layer.prune, 0.0), (more, less)):
        assert cost_at(some_pruning).params <= cost_at(none).params
        assert cost_at(some_pruning).macs <= cost_at(none).macs


@every_searchable_kind
@given(layer=layers())
def test_a_searchable_kind_strides(kind: BlockKind, layer: Layer) -> None:
    row = kind.resolve(layer, {})
    graph = block_graph(row, (layer.in_channels, 8, 8))

    assert graph.output_shape == (row.get("out"), 8 // layer.stride, 8 // layer.stride)
