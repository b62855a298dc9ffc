"""Networks that are trained as branches are pruned as such: the branches stay what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from parents import RECIPE, inheritance_of

from nas.architecture import Architecture
from nas.blocks import Block
from nas.branches import Branches, deployed
from nas.costs import cost
from nas.data import DataSet, load_data
from nas.pruning.children import NoChild
from nas.pruning.evaluate import Bench
from nas.pruning.inherit import Parent
from nas.pruning.space import PruningSpace
from nas.testing.numerics import randomise
from nas.torch_module import build
from nas.training import train

ROWS = (
    Block("repvgg", out=16),
    Block("repvgg", out=16),
    Block("repvgg", out=32, stride=2),
    Block("repvgg", out=32),
    Block("mobileone", out=32, branches=2),
)
HEAD = (Block("gap"), Block("linear", out=10))
ARCH = Architecture(8, (Block("conv", out=16),), (ROWS,), HEAD, 1)


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load_data("digits")


def test_what_an_input_is_added_to_keeps_the_same_channels() -> None:
    """Or the sum would be of one channel's filter and another's input."""
    module, rng = randomise(build(ARCH, seed=0)), np.random.default_rng(0)
    adding = [name for name, part in module.named_modules() if name.endswith("parts.identity")]
    names = {name.removesuffix(".conv.parts.identity") for name in adding}
    assert len(names) == 5  # both convolutions of the mobileone's, and those of three rows
    graph = ARCH.graph()
    scores = {n.name: rng.random(n.shape[0]) for n in graph.nodes if n.op in ("conv", "linear")}
    parent, space = Parent(ARCH, module, scores), PruningSpace.of(ARCH, "c", keep_resolution=True)
    narrower = 0
    for _ in range(20):
        child = space.decode(space.sample_params(rng))
        kept = parent.channels(child)
        there = {node.name for node in child.graph().nodes}
        for name in names & there:
            assert (kept[name].out == kept[name].inputs).all()
            narrower += len(kept[name].out) < 16
        trained = parent.child(child, kept)
        assert sum(isinstance(part, Branches) for part in trained.modules()) >= 2
        assert sum(p.numel() for p in deployed(trained).parameters()) == cost(child).params
    assert narrower


def test_a_row_that_adds_its_input_can_be_left_out() -> None:
    space = PruningSpace.of(ARCH, "children")
    assert set(space.skips) == {f"stages.0.{i}.skip" for i in (0, 1, 3)}
    assert PruningSpace.of(ARCH, "children", keep_depth=True).skips == {}


@pytest.mark.parametrize(("came", "branches"), [(24, 2), (16, 1)])
def test_other_branches_are_no_child(came: int, branches: int) -> None:
    """More of them, or the input added that was not."""

    def network(came: int, out: int, branches: int) -> Architecture:
        row = Block("repvgg", out=out, branches=branches)
        return Architecture(8, (Block("conv", out=came),), ((row,),), HEAD, 1)

    parent = network(came, 24, 1)
    with pytest.raises(NoChild, match="has other branches than"):
        Parent(parent, build(parent, seed=0)).channels(network(16, 16, branches))


def test_a_trained_one_is_judged_as_it_was_trained(tmp_path: Path, data: DataSet) -> None:
    trained = train(ARCH, data, RECIPE, output=tmp_path / "net", device="cpu")
    bench = Bench(inheritance_of(ARCH, tmp_path / "net", data), data)
    space = PruningSpace.of(ARCH, "children")
    whole = bench.evaluated(space.parent)["inherited_accuracy"]
    assert whole == pytest.approx(trained.accuracy, abs=0.04)
    assert whole > 0.5
    child = space.decode(space.least)
    assert bench.evaluated(child)["inherited_accuracy"] < whole
    refitted = bench.inheritance.model_copy(update={"reconstruct": True})
    images = torch.zeros(1, *child.input_shape)
    assert Bench(refitted, data).child(child)(images).shape == (1, 10)
