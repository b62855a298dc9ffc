"""Equalisation changes no output; correction takes off the mean error that rounding makes."""

import numpy as np

from nas.formats.calibration import observe
from nas.formats.equalise import bias_corrected, equalised
from nas.formats.folding import State, folded
from nas.formats.onnx_model import graph_to_onnx
from nas.formats.scales import weight_scales
from nas.graph import Builder, Graph
from nas.testing.numerics import images, randomise, run_onnx
from nas.torch_module import GraphModule


def network(act: str = "relu") -> tuple[Graph, State]:
    net = Builder((4, 12, 12))
    x = net.conv(0, 8, kernel=3, act=act)
    x = net.depthwise(x, kernel=3, act=act)
    x = net.conv(x, 12, groups=2, act=None)
    x = net.add(x, net.conv(x, 12, act=None))  # two read it: nothing to equalise
    module = randomise(GraphModule(net.finish(x)))
    state = {key: value.numpy() for key, value in module.state_dict().items()}
    state["conv.conv.weight"] = state["conv.conv.weight"] * np.geomspace(0.01, 10, 8).reshape(
        8, 1, 1, 1
    ).astype(np.float32)
    state["conv.norm.running_var"] = np.ones(8, np.float32)
    return folded(net.finish(x), state)


def test_the_function_stays_and_ranges_become_equal() -> None:
    graph, state = network()
    changed, weights = equalised(graph, state)
    x = images(2, 4, 12, 12)
    before = run_onnx(graph_to_onnx(graph, state, dynamic_batch=True), x)
    after = run_onnx(graph_to_onnx(changed, weights, dynamic_batch=True), x)
    np.testing.assert_allclose(after, before, atol=1e-4 * np.abs(before).max())
    first, second = weights["conv.conv.weight"], weights["depthwise.conv.weight"]
    ranges = [np.abs(w).reshape(8, -1).max(1) for w in (first, second)]
    np.testing.assert_allclose(ranges[0], ranges[1], rtol=0.05)
    assert np.ptp(np.log(ranges[0])) < 0.5 * np.log(1000)
    np.testing.assert_array_equal(weights["conv3.conv.weight"], state["conv3.conv.weight"])


def test_a_relu6_between_equalised_layers_becomes_a_relu() -> None:
    graph, state = network("relu6")
    changed, _ = equalised(graph, state)
    assert [n.act for n in changed.nodes if n.name in ("conv", "depthwise")] == ["relu", "relu"]


def test_the_mean_error_of_rounded_weights_is_taken_off() -> None:
    net = Builder((6, 12, 12))
    graph = net.finish(net.conv(0, 8, kernel=1, groups=2, norm=False, act=None))
    graph, state = folded(graph, seed=1)
    x = images(64, 6, 12, 12) + 3
    corrected = bias_corrected(graph, state, observe(graph, state, [x]))

    def mean_error(bias: State) -> float:
        weight = state["conv.conv.weight"]
        steps = weight_scales(weight).reshape(-1, 1, 1, 1)
        rounded = {"conv.conv.weight": np.rint(weight / steps) * steps,
                   "conv.conv.bias": bias["conv.conv.bias"]}  # fmt: skip
        outputs = [
            run_onnx(graph_to_onnx(graph, s, dynamic_batch=True), x).reshape(64, 8, -1)
            for s in (state, rounded)
        ]
        return float(np.abs((outputs[1] - outputs[0]).mean((0, 2))).max())

    assert mean_error(corrected) < 0.01 * mean_error(state)
