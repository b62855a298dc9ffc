"""TFLite files compute, in LiteRT and TFLite Micro, what torch and our int8 ONNX compute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

import nas
from nas.blocks import KINDS, Block, block_graph
from nas.branches import deployed_state
from nas.formats.calibration import observe
from nas.formats.folding import State, folded
from nas.formats.litert import LiteRT
from nas.formats.onnx_model import graph_to_onnx
from nas.formats.quantise import quantised
from nas.formats.scales import scales, tensor_names
from nas.graph import ACTIVATIONS, Builder, Graph, Node, Shape
from nas.support.errors import NasError, ShapeError
from nas.testing.blocks import VALUES, sample_rows
from nas.testing.numerics import images, randomise, run_onnx, run_torch
from nas.torch_module import GraphModule, build

pytest.importorskip("tflite", reason="needs the extra 'tflite'")
pytest.importorskip("ai_edge_litert", reason="needs the extra 'litert'")

from nas.formats.tflite import to_tflite


class Int8:
    """A graph's int8 models and their outputs on one image, in steps of its output."""

    def __init__(self, graph: Graph, state: State) -> None:
        self.graph, self.image = graph, images(1, *graph.input_shape)
        plain, weights = folded(graph, state)
        model = graph_to_onnx(plain, weights, dynamic_batch=True)
        seen = observe(plain, weights, [self.image])
        ranges = {name: one.range("min-max") for name, one in seen.items()}
        steps = scales(plain, ranges)
        self.given, self.step = steps["image"], steps[tensor_names(plain)[plain.output]]
        self.data = to_tflite(graph, state, int8=ranges)
        self.float = run_onnx(model, self.image) / self.step.scale
        self.onnx = run_onnx(quantised(model, steps), self.image) / self.step.scale

    def litert(self, *, reference: bool = False) -> NDArray[np.floating]:
        return LiteRT(self.data, reference=reference)(self.image) / self.step.scale

    def micro(self) -> NDArray[np.floating]:
        runtime = pytest.importorskip("tflite_micro").runtime
        interpreter = runtime.Interpreter.from_bytes(self.data, arena_size=4_000_000)
        interpreter.set_input(self.given.quantised(self.image.transpose(0, 2, 3, 1)), 0)
        interpreter.invoke()
        whole: NDArray[np.integer] = interpreter.get_output(0)
        return whole.astype(np.float64) - self.step.zero

    def near(self, found: NDArray[np.floating]) -> float:
        """The share of outputs at most one step from int8 ONNX."""
        return float((np.abs(found - self.onnx) < 1.5).mean())

    def off(self, found: NDArray[np.floating]) -> float:
        """The root mean square error beside float32, in steps."""
        return float(np.square(found - self.float).mean() ** 0.5)


def graph_state(graph: Graph) -> State:
    return deployed_state(randomise(GraphModule(graph)))


def conv(act: str, net: Builder) -> int:
    return net.conv(0, 12, kernel=3, act=act)


def activate(act: str, net: Builder) -> int:
    return net.activate(0, act)


SINGLE: dict[str, Callable[[Builder], int]] = {
    **{f"conv {act}": partial(conv, act) for act in ACTIVATIONS},
    **{act: partial(activate, act) for act in ACTIVATIONS},
    "linear": lambda n: n.linear(0, 10, act="relu"),
    "depthwise": lambda n: n.depthwise(0, kernel=5, stride=2),
    "two a channel": lambda n: n.conv(0, 16, kernel=3, groups=8),
    "grouped": lambda n: n.conv(0, 16, kernel=3, groups=4, stride=2),
    "flat kernel": lambda n: n.conv(0, 8, kernel=(1, 7), padding=(0, 3)),
    "no padding": lambda n: n.conv(0, 8, kernel=3, padding=0, stride=2),
    "norm": lambda n: n.activate(0, "relu", norm=True),
    "maxpool": lambda n: n.maxpool(0),
    "maxpool up": lambda n: n.maxpool(0, padding=0, ceil=True),
    "avgpool": lambda n: n.avgpool(0),
    "gap": lambda n: n.gap(0),
    "add": lambda n: n.add(0, n.swap(n.swap(0, 0), 0), 0, act="relu6"),
    "multiply": lambda n: n.multiply(0, n.gap(0)),
    "zero": lambda n: n.zero(0),
    "concat": lambda n: n.concat(0, n.maxpool(0, stride=1)),
    "rows": lambda n: n.concat(*reversed(n.split(0, 4, 9, rows=True)), rows=True),
    "slice": lambda n: n.split(0, 2, 4, 2)[1],
    "swap channels": lambda n: n.swap(0, 0),
    "swap rows": lambda n: n.swap(0, 1),
    "shuffle": lambda n: n.shuffle(0, 4),
    "squeeze": lambda n: n.squeeze_excite(0, 4),
    "nothing": lambda n: n.add(n.activate(0, None)),
}


@pytest.mark.parametrize("name", SINGLE)
def test_operation(name: str) -> None:
    net = Builder((8, 13, 10))
    graph = net.finish(SINGLE[name](net))
    module = randomise(GraphModule(graph))
    x = images(2, *graph.input_shape)
    expected = run_torch(module, x).reshape(2, -1)
    found = LiteRT(to_tflite(graph, deployed_state(module)))(x)
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))
    made = Int8(graph, deployed_state(module))
    outputs = [made.litert(), made.litert(reference=True)]
    if "gelu" not in name:  # which TFLite Micro has not
        outputs.append(made.micro())
    for output in outputs:
        assert made.near(output) >= 0.99
        assert made.off(output) < 1.1 * made.off(made.onnx) + 0.1


def test_a_window_of_another_program() -> None:
    shape, more = (4, 13, 12), {"stride": (2, 1), "padding": (0, 1), "after": (3, 2)}
    conv = Node("conv", "conv", (0,), (6, 6, 13), (3, 3), dilation=(2, 1), bias=True, **more)  # type: ignore[arg-type]
    pool = Node("maxpool", "pool", (1,), (6, 3, 14), (3, 3), **{**more, "after": (2, 2)})  # type: ignore[arg-type]
    graph = Graph((Node("input", "input", (), shape), conv, pool), 2)
    module = randomise(GraphModule(graph))
    x = images(2, *shape)
    expected = run_torch(module, x)
    assert expected.shape[1:] == pool.shape
    found = LiteRT(to_tflite(graph, deployed_state(module)))(x)
    np.testing.assert_allclose(found, expected.reshape(2, -1), atol=1e-4)
    two = Graph(graph.nodes, 2, (1,))
    with pytest.raises(NasError, match="one output"):
        to_tflite(two, deployed_state(module))
    with pytest.raises(NasError, match="softmax cannot be written"):
        to_tflite(Graph((*graph.nodes, Node("softmax", "s", (2,), pool.shape)), 3))


@pytest.mark.parametrize("name", KINDS)
def test_block_in_int8(name: str) -> None:
    kind = KINDS[name]
    rows = sample_rows(kind, VALUES, 4, np.random.default_rng(0))
    graphs = islice(accepted(rows), 8)
    made = [Int8(graph, graph_state(graph)) for graph in graphs]
    assert made
    for one in made:
        outputs = [one.litert()]
        if all(node.act != "gelu" for node in one.graph.nodes):
            outputs.append(one.micro())
        for output in outputs:
            # Roundings of several layers add up: the error may not grow, a step or two may differ.
            assert one.off(output) < 1.15 * one.off(one.onnx) + 0.1
            assert one.near(output) > 0.9


def accepted(rows: Iterable[tuple[Block, Shape]]) -> Iterator[Graph]:
    for row, shape in rows:
        with suppress(ShapeError):
            yield block_graph(row, shape)


@pytest.mark.parametrize(
    "name",
    ["mobilenet_v2_075", "mobilenet_v3_small_100", "shufflenet_v1_x0_5", "ghostnet_050"],
)
def test_published_network(name: str) -> None:
    arch = nas.reference(name, classes=10, resolution=64)
    module = randomise(build(arch, seed=0))
    x = images(2, 3, 64, 64)
    expected = run_torch(module.double(), x.astype(np.float64))
    found = LiteRT(to_tflite(arch, deployed_state(module)))(x)
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))
