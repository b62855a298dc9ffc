"""Costs against an independent reading of the graph."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nas.blocks import Block, block_graph
from nas.costs import Cost, block_cost, cost, graph_cost, node_cost
from nas.graph import Builder, Graph
from nas.references import reference, reference_names


def peak_bytes(graph: Graph) -> int:
    """At each node: the tensors made so far that this node or a later one reads, and its own."""
    nodes, peak = graph.nodes, 0
    for now in range(len(nodes)):
        needed = {now}
        for later in range(now, len(nodes)):
            needed |= {i for i in nodes[later].inputs if i <= now}
        if graph.output <= now:
            needed.add(graph.output)
        peak = max(peak, sum(int(np.prod(nodes[i].shape)) for i in needed))
    return 4 * peak


@st.composite
def graphs(draw: st.DrawFn, *, all_read: bool = True) -> Graph:
    """Random graphs with branches, joins and changes of size; `all_read`: every node is used."""
    net = Builder((draw(st.integers(1, 9)), 8, 8))
    known = [0]
    unused = {0}
    for _ in range(draw(st.integers(1, 12))):
        x = draw(st.sampled_from(known))
        y = draw(st.sampled_from(known))
        match draw(st.sampled_from(("conv", "pool", "se", "join"))):
            case "conv":
                new, read = net.conv(x, draw(st.integers(1, 30))), {x}
            case "pool":
                new, read = net.maxpool(x), {x}
            case "se":
                new, read = net.multiply(x, net.conv(net.gap(x), net.channels(x))), {x}
            case _:
                same = net.shape(x)[1:] == net.shape(y)[1:]
                new, read = (net.concat(x, y), {x, y}) if same else (net.gap(x), {x})
        unused = (unused - read) | {new}
        known.append(new)
    if not all_read:
        return net.finish(draw(st.sampled_from(known)))
    return net.finish(net.concat(*[net.gap(i) for i in sorted(unused)]))


@given(graphs(all_read=False))
def test_peak_of_random_graphs_with_nodes_that_nobody_reads(graph: Graph) -> None:
    assert graph_cost(graph).peak_bytes == peak_bytes(graph)


def test_peak_by_hand_of_a_node_that_nobody_reads() -> None:
    """It is alive while it is made, and no longer."""
    net = Builder((1, 4, 4))
    x = net.conv(0, 2)
    net.conv(x, 5)
    y = net.conv(x, 4)
    assert graph_cost(net.finish(y)).peak_bytes == (2 + 5) * 16 * 4


def test_a_sum_of_a_tensor_with_itself_reads_it_once() -> None:
    for first in (0, 1):
        net = Builder((5, 4, 4))
        x = net.conv(0, 5) if first else 0
        graph = net.finish(net.conv(net.add(x, x), 20))
        assert graph_cost(graph).peak_bytes == peak_bytes(graph) == (5 + 20) * 16 * 4


@given(graphs())
def test_peak_of_random_graphs(graph: Graph) -> None:
    assert graph_cost(graph).peak_bytes == peak_bytes(graph)


@pytest.mark.parametrize("name", reference_names())
def test_network_costs_as_its_whole_graph(name: str) -> None:
    arch = reference(name, resolution=96)
    assert cost(arch) == graph_cost(arch.graph())


@pytest.mark.parametrize("name", ["squeezenet1_1", "ghostnet_100", "mobilenet_v3_small_100"])
def test_peak_of_networks(name: str) -> None:
    arch = reference(name, resolution=96)
    assert cost(arch).peak_bytes == peak_bytes(arch.graph())


def test_peak_by_hand() -> None:
    """A residual row keeps its input (8 channels) while 16 and then 24 channels are alive."""
    graph = block_graph(Block("inverted", out=8, hidden=16), (8, 4, 4))
    assert graph_cost(graph).peak_bytes == (8 + 16 + 16) * 4 * 4 * 4


@pytest.mark.parametrize(
    ("layer", "module"),
    [
        (
            lambda net: net.conv(0, 9, kernel=(3, 5), stride=2, groups=3, norm=False),
            nn.Conv2d(6, 9, (3, 5), 2, (1, 2), groups=3),
        ),
        (
            lambda net: net.conv(0, 7, kernel=3),
            nn.Sequential(nn.Conv2d(6, 7, 3, padding=1, bias=False), nn.BatchNorm2d(7)),
        ),
        (
            lambda net: net.depthwise(0, kernel=3),
            nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1, groups=6, bias=False), nn.BatchNorm2d(6)),
        ),
        (lambda net: net.linear(0, 17), nn.Sequential(nn.Flatten(), nn.Linear(6 * 8 * 5, 17))),
        (
            lambda net: net.linear(0, 11, bias=False),
            nn.Sequential(nn.Flatten(), nn.Linear(6 * 8 * 5, 11, bias=False)),
        ),
        (lambda net: net.activate(0, norm=True), nn.BatchNorm2d(6)),
        (lambda net: net.activate(0), nn.ReLU()),
        (lambda net: net.maxpool(0), nn.MaxPool2d(3, 2, 1)),
        (lambda net: net.gap(0), nn.AdaptiveAvgPool2d(1)),
    ],
)
def test_parameters_and_macs_of_a_layer_are_torch_s(
    layer: Callable[[Builder], int], module: nn.Module
) -> None:
    net = Builder((6, 8, 5))
    graph = net.finish(layer(net))
    with FlopCounterMode(display=False) as counter:
        module.eval()(torch.zeros(1, 6, 8, 5))
    params, macs, _ = graph_cost(graph)
    assert params == sum(p.numel() for p in module.parameters())
    assert 2 * macs == counter.get_total_flops()
    assert type(params) is type(macs) is int
    assert node_cost(graph.nodes[1], graph.input_shape) == (params, macs)


def test_memoised_equals_cold() -> None:
    archs = [reference(name, resolution=r) for name in reference_names() for r in (96, 128)]
    memoised = [cost(arch) for arch in archs]
    again = [cost(arch) for arch in archs]
    block_graph.cache_clear()
    block_cost.cache_clear()
    assert [cost(arch) for arch in archs] == memoised == again


def test_weight_bytes_are_four_a_parameter() -> None:
    assert Cost(params=10, macs=0, peak_bytes=0).weight_bytes == 40
