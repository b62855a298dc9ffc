"""The builder infers the shapes that torch computes, and refuses what cannot be."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.graph import Builder, Node
from nas.support.errors import NasError, ShapeError

SHAPE = (6, 11, 8)

SHAPES: dict[str, tuple[Callable[[Builder, int], int], Callable[[Tensor], Tensor]]] = {
    "conv": (
        lambda net, x: net.conv(x, 4, kernel=3),
        lambda x: F.conv2d(x, torch.zeros(4, 6, 3, 3), padding=1),
    ),
    "conv even kernel": (
        lambda net, x: net.conv(x, 4, kernel=2),
        lambda x: F.conv2d(x, torch.zeros(4, 6, 2, 2), padding=1),
    ),
    "conv oblong": (
        lambda net, x: net.conv(x, 4, kernel=(1, 5), stride=2),
        lambda x: F.conv2d(x, torch.zeros(4, 6, 1, 5), stride=2, padding=(0, 2)),
    ),
    "conv unpadded groups": (
        lambda net, x: net.conv(x, 9, kernel=5, stride=3, padding=0, groups=3),
        lambda x: F.conv2d(x, torch.zeros(9, 2, 5, 5), stride=3, groups=3),
    ),
    "depthwise": (
        lambda net, x: net.depthwise(x, kernel=5, stride=2),
        lambda x: F.conv2d(x, torch.zeros(6, 1, 5, 5), stride=2, padding=2, groups=6),
    ),
    "avgpool": (
        lambda net, x: net.avgpool(x, kernel=3, stride=2, padding=1),
        lambda x: F.avg_pool2d(x, 3, 2, 1),
    ),
    "gap": (lambda net, x: net.gap(x), lambda x: F.adaptive_avg_pool2d(x, 1)),
    "linear": (
        lambda net, x: net.linear(x, 10),
        lambda x: F.linear(x.flatten(1), torch.zeros(10, 6 * 11 * 8))[..., None, None],
    ),
    "add": (lambda net, x: net.add(x, x, act="relu"), lambda x: F.relu(x + x)),
    "multiply": (lambda net, x: net.multiply(x, net.gap(x)), lambda x: x * x.mean((2, 3), True)),
    "concat": (lambda net, x: net.concat(x, x, x), lambda x: torch.cat([x, x, x], 1)),
    "split": (lambda net, x: net.split(x, 2, 4)[1], lambda x: x.split([2, 4], 1)[1]),
    "crop": (lambda net, x: net.crop(x, 5), lambda x: x[:, :5]),
    "shuffle": (lambda net, x: net.shuffle(x, 3), lambda x: F.channel_shuffle(x, 3)),
    "activate": (lambda net, x: net.activate(x, "relu6", norm=True), F.relu6),
    "squeeze_excite": (lambda net, x: net.squeeze_excite(x, 2), lambda x: x),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shape_is_that_of_torch(name: str) -> None:
    operation, torch_operation = SHAPES[name]
    net = Builder(SHAPE)
    graph = net.finish(operation(net, 0))
    assert graph.output_shape == tuple(torch_operation(torch.zeros(1, *SHAPE)).shape[1:])
    assert graph.input_shape == SHAPE


@pytest.mark.parametrize("ceil", [False, True])
def test_maxpool_is_that_of_torch_at_every_size(ceil: bool) -> None:
    for kernel, stride, size in product((1, 2, 3, 4, 5), (1, 2, 3, 4), range(1, 15)):
        for padding in range(kernel // 2 + 1):
            if size + 2 * padding < kernel:
                continue
            for shape in ((1, size, 14), (1, 14, size)):
                net = Builder(shape)
                x = net.maxpool(0, kernel=kernel, stride=stride, padding=padding, ceil=ceil)
                expected = F.max_pool2d(torch.zeros(1, *shape), kernel, stride, padding, 1, ceil)
                assert net.shape(x) == tuple(expected.shape[1:]), (kernel, stride, padding, shape)


ERRORS: dict[str, tuple[Callable[[Builder], object], tuple[str, ...]]] = {
    "conv groups of input": (lambda net: net.conv(0, 8, groups=4), ("conv", "(6, 11, 8)", "8")),
    "conv groups of output": (lambda net: net.conv(0, 8, groups=3), ("conv", "(6, 11, 8)", "8")),
    "conv no groups": (lambda net: net.conv(0, 8, groups=0), ("conv", "groups=0")),
    "conv kernel": (
        lambda net: net.conv(0, 8, kernel=9, padding=0),
        ("conv", "(9, 9)", "(6, 11, 8)"),
    ),
    "conv channels": (lambda net: net.conv(0, 0), ("conv", "0 channels")),
    "conv stride": (lambda net: net.conv(0, 8, stride=0), ("conv", "stride 0")),
    "conv padding": (lambda net: net.conv(0, 8, kernel=3, padding=-1), ("conv", "(-1, -1)")),
    "maxpool kernel": (
        lambda net: net.maxpool(0, kernel=12, padding=0),
        ("maxpool", "(12, 12)", "(6, 11, 8)"),
    ),
    "maxpool padding": (
        lambda net: net.maxpool(0, kernel=3, padding=2),
        ("maxpool", "(2, 2)", "(3, 3)"),
    ),
    "avgpool padding": (
        lambda net: net.avgpool(0, kernel=1, padding=1),
        ("avgpool", "(1, 1)", "(6, 11, 8)"),
    ),
    "avgpool negative padding": (lambda net: net.avgpool(0, padding=-1), ("avgpool", "(-1, -1)")),
    "linear": (lambda net: net.linear(0, 0), ("linear", "0 outputs", "(6, 11, 8)")),
    "add": (lambda net: net.add(0, net.conv(0, 5)), ("add", "(6, 11, 8)", "(5, 11, 8)")),
    "add of more": (lambda net: net.add(0, net.conv(0, 7)), ("add", "(6, 11, 8)", "(7, 11, 8)")),
    "add of a third": (lambda net: net.add(0, 0, net.gap(0)), ("add", "(6, 11, 8)", "(6, 1, 1)")),
    "multiply": (
        lambda net: net.multiply(0, net.maxpool(0)),
        ("multiply", "(6, 6, 4)", "(6, 11, 8)"),
    ),
    "concat": (
        lambda net: net.concat(0, net.maxpool(0)),
        ("concat", "(6, 11, 8)", "(6, 6, 4)"),
    ),
    "split": (lambda net: net.split(0, 3, 4), ("split", "(3, 4)", "(6, 11, 8)")),
    "split of nothing": (lambda net: net.split(0, 6, 0), ("split", "(6, 0)", "(6, 11, 8)")),
    "crop": (lambda net: net.crop(0, 7), ("crop", "7", "(6, 11, 8)")),
    "shuffle": (lambda net: net.shuffle(0, 4), ("shuffle", "groups=4", "(6, 11, 8)")),
}


@pytest.mark.parametrize("name", ERRORS)
def test_impossible_operation_names_itself_and_the_shapes(name: str) -> None:
    operation, fragments = ERRORS[name]
    with pytest.raises(ShapeError) as caught:
        operation(Builder(SHAPE))
    message = str(caught.value)
    assert message.startswith(fragments[0])
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize("operation", ["conv", "linear", "activate"])
def test_unknown_activation_suggests_the_nearest(operation: str) -> None:
    net = Builder(SHAPE)
    calls = {
        "conv": lambda: net.conv(0, 4, act="rulu"),
        "linear": lambda: net.linear(0, 4, act="rulu"),
        "activate": lambda: net.activate(0, "rulu"),
    }
    with pytest.raises(NasError, match="'rulu' is unknown; did you mean 'relu'"):
        calls[operation]()


def test_unknown_activation_of_a_sum() -> None:
    with pytest.raises(NasError, match="'rulu' is unknown"):
        Builder(SHAPE).add(0, 0, act="rulu")


def test_empty_input_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"input.*\(3, 0, 8\)"):
        Builder((3, 0, 8))


def test_crop_to_all_channels_adds_no_node() -> None:
    assert Builder(SHAPE).crop(0, 6) == 0


def test_bias_is_present_exactly_where_there_is_no_norm() -> None:
    net = Builder(SHAPE)
    net.conv(0, 4), net.conv(0, 4, norm=False), net.conv(0, 4, norm=False, bias=False)
    assert [node.bias for node in net.finish(0).nodes[1:]] == [False, True, False]


NODES: dict[str, tuple[Callable[[Builder], object], dict[str, object]]] = {
    "conv": (lambda net: net.conv(0, 4), {"norm": True, "act": "relu"}),
    "conv in full": (
        lambda net: net.conv(
            0, 9, kernel=(3, 4), stride=2, padding=(0, 1), groups=3, norm=False, act="silu",
            name="a",
        ),
        {
            "op": "conv", "name": "a", "kernel": (3, 4), "stride": 2, "padding": (0, 1),
            "groups": 3, "norm": False, "act": "silu", "bias": True,
        },
    ),
    "conv pads by half a kernel": (
        lambda net: net.conv(0, 4, kernel=(5, 2)),
        {"kernel": (5, 2), "padding": (2, 1)},
    ),
    "conv of norm and bias": (
        lambda net: net.conv(0, 4, bias=True), {"norm": True, "bias": True}
    ),
    "depthwise": (
        lambda net: net.depthwise(0),
        {
            "op": "conv", "name": "depthwise", "kernel": (3, 3), "padding": (1, 1), "groups": 6,
            "norm": True, "act": "relu", "stride": 1,
        },
    ),
    "maxpool": (
        lambda net: net.maxpool(0),
        {"op": "maxpool", "kernel": (3, 3), "stride": 2, "padding": (1, 1), "ceil": False},
    ),
    "maxpool in full": (
        lambda net: net.maxpool(0, kernel=(2, 5), stride=1, padding=(1, 2), ceil=True),
        {"kernel": (2, 5), "stride": 1, "padding": (1, 2), "ceil": True},
    ),
    "avgpool": (
        lambda net: net.avgpool(0),
        {"op": "avgpool", "kernel": (3, 3), "stride": 2, "padding": (1, 1), "ceil": False},
    ),
    "linear": (
        lambda net: net.linear(0, 3), {"op": "linear", "bias": True, "act": None, "norm": False}
    ),
    "linear in full": (
        lambda net: net.linear(0, 3, bias=False, act="relu", name="b"),
        {"name": "b", "bias": False, "act": "relu"},
    ),
    "add": (lambda net: net.add(0, 0), {"op": "add", "inputs": (0, 0), "act": None}),
    "activate": (
        lambda net: net.activate(0), {"op": "activate", "act": "relu", "norm": False}
    ),
    "norm": (lambda net: net.activate(0, None, norm=True), {"act": None, "norm": True}),
    "zero": (lambda net: net.zero(0), {"op": "zero", "shape": SHAPE}),
    "concat": (lambda net: net.concat(0, 0), {"op": "concat", "shape": (12, 11, 8)}),
    "concat of rows": (
        lambda net: net.concat(0, 0, rows=True), {"op": "concat_rows", "shape": (6, 22, 8)}
    ),
    "crop": (lambda net: net.crop(0, 1), {"op": "slice", "start": 0, "shape": (1, 11, 8)}),
    "split": (
        lambda net: net.split(0, 1, 2, 3), {"op": "slice", "start": 3, "shape": (3, 11, 8)}
    ),
    "split of rows": (
        lambda net: net.split(0, 4, 6, 1, rows=True),
        {"op": "slice_rows", "start": 10, "shape": (6, 1, 8)},
    ),
    "swap": (lambda net: net.swap(0, 0), {"op": "swap", "start": 0, "shape": (11, 6, 8)}),
    "swap of the last": (lambda net: net.swap(0, 1), {"start": 1, "shape": (6, 8, 11)}),
    "shuffle": (lambda net: net.shuffle(0, 3), {"op": "shuffle", "groups": 3}),
    "squeeze_excite": (
        lambda net: net.squeeze_excite(0, 2), {"op": "multiply", "inputs": (0, 3), "shape": SHAPE}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_what_was_asked_for_and_else_the_default(name: str) -> None:
    operation, expected = NODES[name]
    net = Builder(SHAPE)
    operation(net)
    node = net.finish(0).nodes[-1]
    assert {key: getattr(node, key) for key in expected} == expected
    assert node.inputs[0] == 0
    plain = Node(node.op, node.name, node.inputs, node.shape)
    if not {"kernel", "groups", "act", "norm", "start"} & set(expected):
        assert node == plain


def test_the_nodes_of_a_squeeze_and_excitation() -> None:
    net = Builder(SHAPE)
    gate = net.squeeze_excite(0, 2, act="silu", gate="sigmoid")
    _, gap, reduce, expand, product = net.finish(gate).nodes
    assert (gap.op, gap.inputs, gap.shape) == ("gap", (0,), (6, 1, 1))
    assert (reduce.inputs, reduce.shape, reduce.act, reduce.norm) == (
        (1,),
        (2, 1, 1),
        "silu",
        False,
    )
    assert (expand.inputs, expand.shape, expand.act, expand.norm) == (
        (2,), (6, 1, 1), "sigmoid", False,
    )  # fmt: skip
    assert (reduce.name, expand.name) == ("se_reduce", "se_expand")
    assert (product.inputs, gate) == ((0, 3), 4)
    plain = Builder(SHAPE)
    plain.squeeze_excite(0, 2)
    assert [node.act for node in plain.finish(0).nodes[2:4]] == ["relu", "hsigmoid"]


@pytest.mark.parametrize("rows", [False, True])
def test_concatenation_needs_the_two_other_dimensions(rows: bool) -> None:
    net = Builder(SHAPE)
    narrow = net.swap(net.split(net.swap(0, 1), 3, 5, rows=True)[0], 1)
    others = [net.crop(0, 3), net.split(0, 3, 8, rows=True)[0], narrow]
    assert [net.shape(x) for x in others] == [(3, 11, 8), (6, 3, 8), (6, 11, 3)]
    joined = net.concat(0, others.pop(rows), rows=rows)
    assert net.shape(joined)[rows] == SHAPE[rows] + 3
    for other in others:
        with pytest.raises(ShapeError, match="channels or width" if rows else "height or width"):
            net.concat(0, other, rows=rows)


def test_the_smallest_that_can_be() -> None:
    net = Builder((1, 1, 1))
    assert net.shape(0) == (1, 1, 1)
    assert net.channels(0) == 1
    assert net.shape(net.conv(0, 1)) == (1, 1, 1)
    assert net.shape(net.linear(0, 1)) == (1, 1, 1)
    assert net.shape(net.shuffle(0, 1)) == (1, 1, 1)
    assert net.crop(0, 1) == 0
    assert net.split(0, 1) == (net.channels(0) + 3,)
    with pytest.raises(ShapeError):
        net.crop(0, 0)
    with pytest.raises(ShapeError):
        net.shuffle(0, 0)
    with pytest.raises(ShapeError):
        net.swap(0, 2)
    with pytest.raises(ShapeError):
        Builder((1, 1, 0))


@pytest.mark.parametrize(
    "window",
    [
        {"kernel": (12, 3), "padding": 0},
        {"kernel": (3, 9), "padding": 0},
        {"kernel": 3, "padding": (-1, 0)},
        {"kernel": 3, "padding": (0, -1)},
        {"kernel": (0, 3), "padding": 0},
        {"kernel": (3, 0), "padding": 0},
        {"kernel": 3, "stride": 0},
    ],
)
def test_each_side_of_a_window_is_checked(window: dict[str, Any]) -> None:
    net = Builder(SHAPE)
    with pytest.raises(ShapeError):
        net.conv(0, 4, **window)
    with pytest.raises(ShapeError):
        net.avgpool(0, **window)
    assert len(net.finish(0).nodes) == 1


def test_a_pool_pads_by_half_its_kernel_at_most_on_each_side() -> None:
    net = Builder(SHAPE)
    for kernel, padding in (((2, 4), (1, 2)), ((11, 8), 0), (1, 0)):
        net.avgpool(0, kernel=kernel, padding=padding, stride=1)
    for padding in ((2, 2), (1, 3)):
        with pytest.raises(ShapeError, match="more than half"):
            net.avgpool(0, kernel=(2, 4), padding=padding)


def test_names_of_nodes_are_unique() -> None:
    net = Builder(SHAPE)
    net.conv(0, 4, name="a"), net.conv(0, 4, name="a"), net.conv(0, 4, name="b")
    names = [node.name for node in net.finish(0).nodes]
    assert names == ["input", "a", "a2", "b"]
