"""The contract of a block."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, product

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

from nas.architecture import Architecture
from nas.blocks import KINDS, Block, BlockKind, Layer, Settings, Value, block_graph
from nas.blocks.attention import ATTENTION
from nas.blocks.registry import Parameter
from nas.branches import deployed, deployed_state
from nas.costs import Cost, graph_cost
from nas.formats.onnx_model import graph_to_onnx
from nas.graph import ACTIVATIONS, Builder, Graph, Shape
from nas.resolution import resolution_of
from nas.support.errors import ShapeError
from nas.testing.claims import claim
from nas.testing.numerics import (
    can_run_tflite,
    images,
    randomise,
    run_onnx,
    run_tflite,
    run_torch,
)
from nas.torch_module import GraphModule

# What settings and choices of these names are tried with.
VALUES: Mapping[str, Sequence[Value]] = {
    "kernel": (1, 3, 5),
    "start": (0, 3, 5),
    "stride": (1, 2),
    "padding": (0, 1),
    "groups": (1, 2),
    "act": (None, *ACTIVATIONS),
    "expansion": (2.0, 3.0, 6.0),
    "squeeze": (0.125, 0.5),
    "se": (0.0, 0.25),
    "attention": (None, *ATTENTION),
}
CHANNELS = (8, 16)
RATIOS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)
TOLERANCE = 1e-4

Values = Mapping[str, Sequence[Value]]


def check_block(
    name: str, *, values: Values | None = None, examples: int = 16, seed: int = 0
) -> None:
    """Checks a registered block on rows of it, with every value of every setting.

    Its graph depends on its settings and the input's shape alone; torch, onnxruntime and, where it
    is installed, LiteRT compute the same from it; its multiply-adds, parameters and shape are what
    torch counts, re-parameterised convolutions as deployed; it survives JSON. One that can be a
    layer of a space has the width and the stride that it is given, and pruning leaves legal
    channels and never more of them.

    `values` says what to try for settings and choices by their names, where the usual values will
    not do; `examples` more rows are drawn at random by `seed`. Errors: `AssertionError` with the
    row and the shape; `NasError` for a name that is not registered.
    """
    kind, rng, tried = KINDS[name], np.random.default_rng(seed), 0
    some = {**VALUES, **(values or {})}
    for row, shape in sample_rows(kind, some, examples, rng):
        try:
            graph = block_graph(row, shape)
        except ShapeError:
            continue  # a row may refuse a shape
        tried += 1
        where = f"{row} on input {shape}"
        _check_pure(kind, row, graph, where)
        _check_numbers(graph, where)
        _check_json(row, shape, where)
    claim(tried > 0, f"block '{name}': none of its rows took any shape; give it other `values`")
    if kind.searchable:
        for layer, choices in _layers(kind, some, examples, rng):
            _check_layer(kind, layer, choices)


def sample_rows(
    kind: BlockKind, values: Values, examples: int, rng: np.random.Generator
) -> Iterator[tuple[Block, Shape]]:
    """Rows of a block with the shapes of their inputs; a row may refuse its shape."""
    if kind.searchable:
        for layer, choices in _layers(kind, values, examples, rng):
            yield kind.resolve(layer, choices), (layer.in_channels, *_size(rng))
        return
    for settings in _settings(kind.parameters, values, examples, rng):
        yield Block(kind.name, **settings), (int(rng.choice(CHANNELS)), *_size(rng))


def _size(rng: np.random.Generator) -> tuple[int, int]:
    height, width = rng.integers(5, 15, size=2).tolist()
    return height, width


def _layers(
    kind: BlockKind, values: Values, examples: int, rng: np.random.Generator
) -> Iterator[tuple[Layer, Settings]]:
    """Layers of a space, and the choices that the space makes for each; first none, if it can."""
    plain, *others = _settings(kind.choices, values, examples, rng)
    for stride, choices in zip(cycle((1, 2)), (plain, plain, *others), strict=False):
        divisor = int(rng.choice((2, 4, 8)))
        channels = divisor * int(rng.integers(1, 5))
        out = int(rng.choice((channels, 2 * channels, 3 * divisor)))
        prune = float(rng.choice(RATIOS))
        yield Layer(channels, out, stride, prune, divisor), choices


def _settings(
    parameters: Mapping[str, Parameter], values: Values, examples: int, rng: np.random.Generator
) -> Iterator[Settings]:
    """Every value of every parameter, beside what has no default; then some at random."""
    allowed = {name: _allowed(p, values.get(name)) for name, p in parameters.items()}
    required = [n for n, p in parameters.items() if p.default is inspect.Parameter.empty]

    def drawn(names: Sequence[str]) -> Settings:
        return {name: allowed[name][int(rng.integers(len(allowed[name])))] for name in names}

    yield drawn(required)
    for name, some in allowed.items():
        for value in some:
            yield drawn(required) | {name: value}
    for _ in range(examples):
        yield drawn([n for n in parameters if n in required or rng.random() < 0.5])


def _allowed(parameter: Parameter, values: Sequence[Value] | None) -> Sequence[Value]:
    some = [value for value in values or () if parameter.accepts(value)]
    if some:
        return some
    if bool in parameter.types:
        return (False, True)
    return CHANNELS if parameter.default is inspect.Parameter.empty else (parameter.default,)


def _check_pure(kind: BlockKind, row: Block, graph: Graph, where: str) -> None:
    net = Builder(graph.input_shape)
    again = net.finish(kind.function(net, 0, **dict(row.settings)))
    claim(again == graph, f"{where}: writes other nodes when it is called again")


def _check_numbers(graph: Graph, where: str) -> None:
    """Checks the costs against torch's own counter, and onnxruntime's output against torch's."""
    trained, counter = randomise(GraphModule(graph)), FlopCounterMode(display=False)
    module, x = deployed(trained), images(2, *graph.input_shape)
    with counter:
        run_torch(module, x)
    expected = run_torch(trained, x)
    shape, cost = expected.shape[1:], graph_cost(graph)
    claim(shape == graph.output_shape, f"{where}: torch gives {shape}, not {graph.output_shape}")
    macs = counter.get_total_flops() // 4  # of two images, two operations each
    claim(cost.macs == macs, f"{where}: {cost.macs} multiply-adds, but torch counts {macs}")
    params = sum(p.numel() for p in module.parameters())
    claim(cost.params == params, f"{where}: {cost.params} parameters, but torch has {params}")
    state = deployed_state(trained)
    exported = run_onnx(graph_to_onnx(graph, state, dynamic_batch=True), x)
    off = float(np.abs(exported - expected.reshape(2, -1)).max())
    limit = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    claim(off <= limit, f"{where}: onnxruntime is off torch's output by {off:.2g}")
    if can_run_tflite():
        off = float(np.abs(run_tflite(graph, state, x) - expected.reshape(2, -1)).max())
        claim(off <= limit, f"{where}: LiteRT is off torch's output by {off:.2g}")


def _check_json(row: Block, shape: Shape, where: str) -> None:
    arch = Architecture(resolution_of(*shape[1:]), (), ((row,),), (), channels=shape[0])
    again = Architecture.from_json(arch.to_json())
    same = again == arch and again.hash == arch.hash and again.stages[0][0] is row
    claim(same, f"{where}: is another row when it is read from its JSON")


def _check_layer(kind: BlockKind, layer: Layer, choices: Settings) -> None:
    """Checks shape and pruning of a layer of a space."""
    where = f"block '{kind.name}', {layer}, choices {choices}"
    rows = [kind.resolve(layer._replace(prune=ratio), choices) for ratio in RATIOS]
    costs: list[Cost] = []
    for row in rows:
        try:
            graph = block_graph(row, (layer.in_channels, 8, 8))
        except ShapeError as error:
            claim(bool(choices), f"{where}: {error}")
            return  # choices may contradict each other
        channels, side = graph.output_shape[0], 8 // layer.stride
        claim(channels == row.get("out"), f"{where}: {row} gives {channels} channels")
        # A choice such as a padding may change the size; the block's own settings may not.
        strides = bool(choices) or graph.output_shape[1:] == (side, side)
        claim(strides, f"{where}: makes {graph.output_shape[1:]} of 8x8, not {side}x{side}")
        costs.append(graph_cost(graph))
    for row, (key, value) in product(rows, rows[0].settings):
        left = row.get(key)
        if type(left) is not int or key == "stride" or choices.get(key) == left:
            continue
        # What is narrower than the divisor, or set by groups, to begin with may stay as it is.
        legal = left > 0 and (left % layer.divisor == 0 or left == value)
        claim(legal, f"{where}: {row} has {key}={left}, no multiple of {layer.divisor}")
    for ratio, less, more in zip(RATIOS[1:], costs, costs[1:], strict=False):
        fewer = more.params <= less.params and more.macs <= less.macs
        claim(fewer, f"{where}: pruning by {ratio} leaves more than pruning by less")
