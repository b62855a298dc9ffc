"""Every search begins with what people would scale by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas import cost
from nas.architecture import Architecture
from nas.blocks import Block, Layer
from nas.budget import parse_budgets
from nas.latency import Target
from nas.references.adapted import FAMILIES, adapted
from nas.space import SearchSpace
from nas.space.nearest import nearest
from nas.study import Study, resume, search
from nas.study.candidates import Candidates
from nas.study.families import WIDTHS, hand_scaled, named


@pytest.mark.parametrize(("space", "budget"), [("small", "8MFLOPs"), ("mobile", "300MFLOPs")])
def test_hand_scaled_networks_are_within_budget_and_of_each_family(space: str, budget: str) -> None:
    candidates = Candidates(SearchSpace.load(space), Target.load("jetson"), parse_budgets([budget]))
    found = hand_scaled(candidates)
    made = {name: named(candidates, name, assignment) for name, assignment in found.items()}
    assert not any(candidates.excess(candidate) for candidate in made.values())
    assert len({candidate.arch.hash for candidate in made.values()}) == len(found) >= 15
    for family, block in (
        ("mobilenet_v2", "inverted"), ("ghostnet", "ghost"), ("squeezenet", "fire"),
        ("shufflenet_v1", "shuffle_v1"), ("mobilenet_v1", "depthwise"),
    ):  # fmt: skip
        arch = next(c.arch for name, c in made.items() if family in name)
        rows = [row.kind for stage in arch.stages for row in stage if row.kind != "maxpool"]
        assert rows.count(block) >= 0.6 * len(rows), family


def test_a_space_without_a_familys_blocks_has_none_of_it() -> None:
    candidates = Candidates(
        SearchSpace.load("squeeze"), Target.load("jetson"), parse_budgets(["300MFLOPs"])
    )
    assert {name.removeprefix("like ").split("_")[0] for name in hand_scaled(candidates)} == {
        "squeezenet1",
        "squeezenext",
    }


def test_a_search_scores_them_first_and_marks_them(tmp_path: Path) -> None:
    study = search("jetson", ["8MFLOPs"], "small", storage=str(tmp_path), trials=30)
    names = list(study.settings.families)
    assert [record.like for record in study.records()] == names + [None] * (30 - len(names))
    random = search(
        "jetson", ["8MFLOPs"], "small", storage=str(tmp_path), trials=3, sampler="random"
    )
    assert not random.settings.families


def test_in_small_they_are_the_families_own_networks() -> None:
    space = SearchSpace.load("small")
    candidates = Candidates(space, Target.load("cpu"), parse_budgets(["8MFLOPs"]))
    found = hand_scaled(candidates)
    assert {name.split()[0] for name in found} == set(FAMILIES)
    for name, assignment in found.items():
        family, width = name.split()[0], float(name.split("×")[1])
        arch = named(candidates, name, assignment).arch
        assert arch.hash == adapted(family, width, half=" half " in name, channels=3).hash
        wider = adapted(family, WIDTHS[WIDTHS.index(width) - 1], half=" half " in name, channels=3)
        assert cost(arch).macs <= 8e6 < cost(wider).macs


def test_a_space_of_ones_own_is_not_left(tmp_path: Path) -> None:
    settings = SearchSpace.load("small").to_dict() | {"families_beside": False}
    space = SearchSpace.from_dict(settings)
    candidates = Candidates(space, Target.load("cpu"), parse_budgets(["8MFLOPs"]))
    found = hand_scaled(candidates)
    assert len(found) >= 15
    for name, assignment in found.items():
        assert name.startswith("like ")
        assert named(candidates, name, assignment).arch == space.decode(assignment)


def test_they_are_kept_in_a_study_and_go_on_with_it(tmp_path: Path) -> None:
    storage = str(tmp_path)
    search("cpu", ["8MFLOPs"], "small", storage=storage, trials=4, name="s")
    read = Study.load("s", storage)
    for record in read.records():
        assert record.like
        family, width = record.like.split()[0], float(record.like.split("×")[1])
        scaled = adapted(family, width, half=" half " in record.like, channels=3)
        assert read.network(record).hash == record.hash == scaled.hash
        assert record.macs == cost(scaled).macs
    resume(read, len(read.settings.families) + 5)
    assert sum(bool(record.like) for record in read.records()) == len(read.settings.families)


def test_the_nearest_of_what_is_far_wider_is_the_widest() -> None:
    space = SearchSpace.load("small")
    found = space.decode(nearest(space, adapted("mobilenet_v1_100", 2.0)))
    assert [stage[-1].get("out") for stage in found.stages] == [24, 48, 96, 160]


def _network(act: str, stages: list[tuple[Block, ...]], *head: Block) -> Architecture:
    stem = (Block("conv", out=16, act=act),)
    return Architecture(28, stem, tuple(stages), (*head, Block("linear", out=10)), 3)


def _fire(out: int, squeeze: int, stride: int = 1) -> Block:
    return Block("fire", out=out, squeeze=squeeze, stride=stride)


POOL, GAP = Block("maxpool"), Block("gap")
SQUEEZENET = _network(
    "relu6",
    [
        (_fire(16, 8),),
        (POOL, _fire(32, 8), _fire(32, 8)),
        (POOL, _fire(64, 8), _fire(64, 8)),
        (POOL, _fire(128, 16), _fire(128, 16)),
    ],
    GAP,
)
V3 = _network(
    "hswish",
    [
        (Block("inverted", out=16, hidden=32, se=8),),
        (Block("inverted", out=24, hidden=64, stride=2), Block("inverted", out=24, hidden=96)),
        (
            Block("inverted", out=48, hidden=96, kernel=5, stride=2, se=24, act="hswish"),
            Block("inverted", out=48, hidden=192, kernel=5, se=48, act="hswish"),
        ),
        (Block("inverted", out=96, hidden=288, kernel=5, stride=2, se=72, act="hswish"),),
    ],
    Block("conv", out=256, kernel=1, act="hswish"),
    GAP,
    Block("linear", out=512, act="hswish"),
)
GHOST = _network(
    "relu6",
    [
        (Block("ghost", out=16, hidden=32, act="relu6"),),
        (Block("ghost", out=24, hidden=48, stride=2, act="relu6"),),
        (Block("ghost", out=48, hidden=72, kernel=5, stride=2, se=24, act="relu6"),),
        (Block("ghost", out=96, hidden=192, stride=2, act="relu6"),),
    ],
    Block("conv", out=256, kernel=1, act="relu6"),
    GAP,
    Block("linear", out=512, act="relu"),
)


@pytest.mark.parametrize("arch", [SQUEEZENET, V3, GHOST], ids=["squeezenet", "v3", "ghost"])
def test_adapted_networks_are_points_of_small(arch: Architecture) -> None:
    space = SearchSpace.load("small")
    assert space.decode(space.encode(arch)) == arch
    assert nearest(space, arch) == space.encode(arch)


def test_the_nearest_of_a_network_beside_the_space_keeps_its_kinds_and_strides() -> None:
    odd = _network(
        "relu6",
        [
            (Block("inverted", out=16, hidden=40),),
            (Block("ghost", out=28, hidden=60, stride=2),) * 2,
            (POOL, _fire(64, 16), _fire(64, 16)),
            (Block("shuffle", out=140, hidden=70, stride=2),),
        ],
        GAP,
    )
    space = SearchSpace.load("small")
    found = space.decode(nearest(space, odd))
    kinds = [[row.kind for row in stage] for stage in found.stages]
    assert kinds == [["inverted"], ["ghost"] * 2, ["maxpool", "fire", "fire"], ["shuffle"]]


def test_no_hidden_width_is_below_the_bounds() -> None:
    for name in ("small", "mobile"):
        space = SearchSpace.load(name)
        for seed in range(200):
            arch = space.sample(seed)
            for _, graph in arch.row_graphs():
                widths = [node.shape[0] for node in graph.nodes if node.op == "conv"]
                assert not widths or min(widths) >= 8, (name, seed)


def test_pruning_leaves_a_share_of_the_width_but_widens_nothing() -> None:
    layer = Layer(64, 128, 1, 0.75, 8, narrowest=8, narrowest_share=0.25)
    assert layer.keep(64) == 32  # a quarter of 128, where pruning alone would leave 16
    assert layer.keep(384) == 96
    assert layer.keep(16) == 16  # a squeeze that was chosen so narrow
    assert layer._replace(narrowest_share=0.0).keep(16) == 8
