"""Which filters a channel carries, on a graph by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nas.graph import Builder
from nas.pruning.flow import credited, is_depthwise, is_layer, sources
from nas.references import reference


def test_sources_follow_split_shuffle_concat_sum_and_depthwise() -> None:
    net = Builder((3, 4, 4))
    a = net.conv(0, 4, name="a")
    left, right = net.split(a, 2, 2)
    b = net.depthwise(right, name="b")
    joined = net.shuffle(net.concat(left, b), 2)  # left0, right0, left1, right1
    c = net.conv(joined, 4, name="c")
    total = net.add(joined, c)
    graph = net.finish(net.linear(net.gap(total), 2, name="d"))
    carried = sources(graph)
    assert [set(x) for x in carried[total]] == [
        {(a, 0), (c, 0)},
        {(a, 2), (b, 0), (c, 1)},
        {(a, 1), (c, 2)},
        {(a, 3), (b, 1), (c, 3)},
    ]
    scores = credited(graph, {"c": np.array([1.0, 2, 3, 4]), "d": np.array([10.0, 20, 30, 40])})
    assert scores["a"].tolist() == [11, 33, 22, 44]
    assert scores["b"].tolist() == [22, 44]
    assert scores["c"].tolist() == [10, 20, 30, 40]
    assert scores["d"].tolist() == [0, 0]


def test_a_gate_carries_the_filters_of_both_factors() -> None:
    net = Builder((3, 4, 4))
    a = net.conv(0, 4, name="a")
    gated = net.squeeze_excite(a, 2)
    carried = sources(net.finish(gated))
    expand = gated - 1
    assert [set(x) for x in carried[gated]] == [{(a, c), (expand, c)} for c in range(4)]


@pytest.mark.parametrize(
    "name",
    ["shufflenet_v1_x1_0", "ghostnet_050", "squeezenext_1_0_23", "regnety_400mf", "densenet121"],
)
def test_every_filter_but_the_classifiers_is_read_by_some_layer(name: str) -> None:
    graph = reference(name).graph()
    ones = {}
    for node in graph.nodes:
        inputs = graph.nodes[node.inputs[0]].shape[0] if node.inputs else 0
        if is_layer(node) and not is_depthwise(node, inputs):
            ones[node.name] = np.ones(inputs)
    scores = credited(graph, ones)
    unread = [layer for layer, values in scores.items() if not values.all()]
    assert unread == [graph.nodes[graph.output].name]
