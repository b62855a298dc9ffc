"""Features are of the graph alone: what lives in it, how deep it is, and how large."""

from collections.abc import Iterator
from dataclasses import replace
from math import log2

import numpy as np
import pytest

from nas.accuracy.effects import LOCAL, SHARED, local, shared
from nas.accuracy.features import STAGED, STAGES, WHOLE, network_sums, stage_weights
from nas.accuracy.paths import live, paths, zeros
from nas.accuracy.prior import sums_of
from nas.architecture import Architecture
from nas.blocks import KINDS, Block, block, block_graph
from nas.blocks.cell import edges_of
from nas.costs import cost
from nas.graph import Builder
from nas.references import reference, reference_names
from nas.references.nasbench201 import nasbench201
from nas.references.scaled import scaled
from nas.space import SearchSpace

CELLS = (
    "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|",
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_1x1~2|",
    "|none~0|+|avg_pool_3x3~0|none~1|+|none~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    "|avg_pool_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|nor_conv_3x3~2|",
)
DEAD = "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_3x3~1|none~2|"


def whole(sums: np.ndarray, name: str) -> float:
    return float(sums[len(STAGED) * STAGES + WHOLE.index(name)])


def staged(sums: np.ndarray, name: str) -> np.ndarray:
    return sums[STAGED.index(name) * STAGES : (STAGED.index(name) + 1) * STAGES]


def ways(cell: str) -> Iterator[list[str]]:
    """Every way through a cell without zeros, by brute force."""
    nodes = edges_of(cell)

    def onward(at: int, ops: list[str]) -> Iterator[list[str]]:
        if at == len(nodes):
            yield ops
        for target in range(at + 1, len(nodes) + 1):
            op = nodes[target - 1][at]
            if op != "none":
                yield from onward(target, [*ops, op])

    yield from onward(0, [])


@pytest.mark.parametrize("cell", CELLS)
def test_paths_are_those_of_brute_force(cell: str) -> None:
    graph = block_graph(Block("cell", genotype=cell), (16, 8, 8))
    found = paths(graph, zeros(graph), live(graph, zeros(graph)))
    every = list(ways(cell))
    spatial = [way.count("nor_conv_3x3") for way in every]
    convs = [n + way.count("nor_conv_1x1") for n, way in zip(spatial, every, strict=True)]
    pooled = ["avg_pool_3x3" in way for way in every]
    assert found.number == pytest.approx(log2(len(every)))
    assert found.spatial == pytest.approx(np.mean(spatial))
    assert found.convolutions == pytest.approx(np.mean(convs))
    assert (found.longest, found.deepest, found.shortest) == (max(spatial), max(convs), min(convs))
    assert found.plain == pytest.approx(np.mean([n == 0 for n in spatial]))
    assert found.pooled == pytest.approx(np.mean(pooled))
    assert found.blurred == all(pooled)
    identity = [n == 0 and not pool for n, pool in zip(convs, pooled, strict=True)]
    assert found.identity == any(identity)


def test_what_reaches_no_output_counts_as_nothing() -> None:
    graph = block_graph(Block("cell", genotype=DEAD), (16, 8, 8))
    assert not any(live(graph, zeros(graph)))
    dead, alive = (network_sums(nasbench201(cell)) for cell in (DEAD, CELLS[1]))
    assert whole(dead, "dead") == 15
    assert whole(alive, "dead") == 0
    assert whole(dead, "macs") < whole(alive, "macs") / 5
    feature = list(SHARED).index("dead")
    assert shared(np.array([dead, alive]))[:, feature].tolist() == [1, 0]


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2_100", "vgg16_bn", "ghostnet_100"])
def test_sums_are_the_costs_of_the_network(name: str) -> None:
    arch = reference(name)
    sums, costs = network_sums(arch), cost(arch)
    nodes = arch.graph().nodes
    maps = [n for n in nodes if n.op == "conv" and n.shape[1] > 1]
    assert staged(sums, "out").sum() == pytest.approx(sum(n.shape[0] for n in maps))
    spatial = sum(min(n.kernel) > 1 for n in maps)
    assert whole(sums, "layers") == staged(sums, "layers").sum() == spatial
    linear = sum(n.shape[0] * np.prod(nodes[n.inputs[0]].shape) for n in nodes if n.op == "linear")
    gates = sum(
        n.shape[0] * nodes[n.inputs[0]].shape[0] for n in nodes if n.op == "conv" and n not in maps
    )
    assert whole(sums, "macs") == costs.macs - linear - gates


def test_stages_are_told_from_the_end_and_shared_between_sizes() -> None:
    assert stage_weights(7 * 7, 7) == (0, 1, 0)
    assert stage_weights(112 * 112, 7) == stage_weights(500 * 500, 7) == (STAGES - 2, 0, 1)
    between = stage_weights(10 * 10, 7)
    assert between.below == 0
    assert between.lower + between.upper == pytest.approx(1)
    assert min(between.lower, between.upper) > 0


def test_every_network_of_every_kind_has_finite_features() -> None:
    archs = [reference(name) for name in reference_names()]
    for space in map(SearchSpace.load, ("small", "mobile")):
        archs += [space.sample(seed) for seed in range(20)]
    sums = sums_of(archs)
    assert np.isfinite(shared(sums)).all()
    assert np.isfinite(local(sums)).all()
    assert shared(sums).shape == (len(archs), len(SHARED))
    assert local(sums).shape == (len(archs), len(LOCAL))


def test_a_users_own_block_needs_nothing_more() -> None:
    @block("two_ways_for_the_test")
    def two_ways(net: Builder, x: int, *, out: int, stride: int = 1) -> int:
        return net.add(net.conv(x, out, kernel=3, stride=stride), net.conv(x, out, stride=stride))

    try:
        head = (Block("gap"), Block("linear", out=10))
        mine = "two_ways_for_the_test"
        rows = (Block(mine, out=16), Block(mine, out=32, stride=2))
        sums = network_sums(Architecture(32, (), (rows,), head))
        assert whole(sums, "layers") == 2
        assert whole(sums, "path_number") == 2  # log2 of two ways in either row
        assert staged(sums, "out")[:2].tolist() == [64, 32]
    finally:
        del KINDS["two_ways_for_the_test"]


def prior_mean(arch: Architecture) -> float:
    return float(shared(network_sums(arch)[None])[0] @ [effect.mean for effect in SHARED.values()])


@pytest.mark.parametrize("family", ["mobilenet_v2", "efficientnet", "mnasnet_a1"])
def test_wider_deeper_and_larger_images_are_better(family: str) -> None:
    base = prior_mean(scaled(family))
    assert prior_mean(scaled(family, 1.5)) > base > prior_mean(scaled(family, 0.5))
    assert prior_mean(scaled(family, depth=2.0)) > base
    assert prior_mean(scaled(family, resolution=256)) > base
    assert prior_mean(scaled(family, resolution=128)) < base


def test_one_more_layer_in_any_stage_is_better() -> None:
    arch = scaled("mobilenet_v2")
    for i, stage in enumerate(arch.stages):
        out = stage[-1].get("out")
        assert isinstance(out, int)
        more = (*stage, Block("inverted", out=out, hidden=6 * out))
        stages = (*arch.stages[:i], more, *arch.stages[i + 1 :])
        assert prior_mean(replace(arch, stages=stages)) > prior_mean(arch)
