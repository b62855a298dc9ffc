"""What integers stand for: as runtimes require, and the same for whoever shares a tensor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.formats.scales import (
    HIGHEST,
    LOWEST,
    SIGMOID,
    Scale,
    quantised_layer,
    scale_of,
    scales,
    tensor_names,
)
from nas.graph import Builder, Graph

FINITE = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-3)


@given(FINITE, FINITE)
def test_a_range_is_covered_and_zero_is_exact(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    scale = scale_of((low, high))
    assert LOWEST <= scale.zero <= HIGHEST
    for value in (low, high):  # at most half a step is cut off, where the zero point is rounded
        back = scale.scale * (int(scale.quantised(value)) - scale.zero)
        assert abs(back - value) <= 0.51 * scale.scale
    assert scale.quantised(0.0) == scale.zero
    assert scale_of((low, high), symmetric=True).zero == 0


def test_weights_have_a_scale_a_channel_and_biases_fit() -> None:
    weight = np.array([[[[0.5]], [[-1.0]]], [[[1e-9]], [[0.0]]]], np.float32)
    bias = np.array([0.25, 3.0], np.float32)
    whole, steps, offsets = quantised_layer(weight, bias, 0.02)
    assert whole[0].ravel().tolist() == [64, -127]
    np.testing.assert_allclose(offsets * steps.astype(np.float64) * 0.02, bias, rtol=1e-3)
    assert np.abs(offsets).max() < 2**31 - 1  # the tiny weight would need 1e13


def joined(act: str | None, *, read_twice: bool = False) -> tuple[Graph, dict[str, Scale]]:
    net = Builder((4, 8, 8))
    a, b = net.conv(0, 4, act=act), net.conv(0, 4, act=None)
    both = net.concat(net.maxpool(a), net.maxpool(b))
    graph = net.finish(net.concat(both, net.maxpool(b)) if read_twice else both)
    ranges = {"conv.relu": (0.0, 1.0), "conv2": (-2.0, 2.0), "concat": (-2.0, 2.0)}
    return graph, scales(graph, ranges)


def test_inputs_of_a_concatenation_take_its_scale() -> None:
    graph, found = joined(None)
    assert all(found[name] == found["concat"] for name in tensor_names(graph)[1:])


def test_but_not_what_others_read_or_a_relu_that_could_not_clamp() -> None:
    _, found = joined("relu")
    assert found["conv.relu"] == scale_of((0, 1)) == found["maxpool"]
    assert found["conv2"] == found["concat"]
    _, found = joined(None, read_twice=True)
    assert found["conv2"] == scale_of((-2, 2))


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_sigmoid_has_the_scale_that_runtimes_give_it(symmetric: bool) -> None:
    net = Builder((4, 8, 8))
    graph = net.finish(net.conv(net.conv(0, 4, act="sigmoid"), 4, act="silu"))
    seen = {"conv.sigmoid": (0.2, 0.8), "conv2.silu.gate": (0.2, 0.8), "conv2.silu": (-1.0, 4.0)}
    found = scales(graph, seen, symmetric=symmetric)
    fixed = Scale(0.8 / 127, 0) if symmetric else SIGMOID
    assert found["conv.sigmoid"] == found["conv2.silu.gate"] == fixed
    assert all(scale.zero == 0 for scale in found.values()) == symmetric
