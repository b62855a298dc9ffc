"""Which channels children keep, and what their parent's space offers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import noise

import nas
from nas.architecture import Architecture
from nas.blocks import Block
from nas.pruning.channels import coupling
from nas.pruning.children import NoChild
from nas.pruning.inherit import Parent
from nas.pruning.space import PruningSpace
from nas.testing.numerics import randomise
from nas.torch_module import build

HEAD = (Block("gap"), Block("linear", out=4))


def network(*rows: Block, resolution: int = 8) -> Architecture:
    return Architecture(resolution, (Block("conv", out=16),), (rows,), HEAD)


def l1(arch: Architecture, module: torch.nn.Module) -> dict[str, np.ndarray]:
    weights = {
        node.name: module.state_dict()[f"{node.name}.{node.op}.weight"]
        for node in arch.graph().nodes
        if node.op in ("conv", "linear")
    }
    return {
        name: w.detach().flatten(1).abs().sum(1).double().numpy() for name, w in weights.items()
    }


def test_a_residual_stream_is_one_set_of_channels() -> None:
    arch = network(Block("inverted", out=16, hidden=32), Block("inverted", out=16, hidden=48))
    found = coupling(arch.graph())
    stem = found.of("stem.0.conv").tolist()
    assert found.of("stages.0.0.project").tolist() == stem
    assert found.of("stages.0.1.project").tolist() == stem
    assert found.of("stages.0.0.depthwise").tolist() == found.of("stages.0.0.expand").tolist()
    assert not set(found.of("stages.0.1.expand")) & set(found.of("stages.0.0.expand"))


def test_the_most_important_channels_are_kept_in_order() -> None:
    arch = network(Block("basic", out=16, hidden=8))
    module = randomise(build(arch, seed=0))
    importance = np.array([3.0, 9, 1, 8, 2, 7, 0, 6])
    parent = Parent(arch, module, {"stages.0.0.conv1": importance})
    child = replace(arch, stages=((Block("basic", out=16, hidden=4),),))
    kept = parent.channels(child)
    assert kept["stages.0.0.conv1"].out.tolist() == [1, 3, 5, 7]
    assert kept["stages.0.0.conv2"].inputs.tolist() == [1, 3, 5, 7]
    own = parent.child(child).state_dict()
    theirs = module.state_dict()
    for key in ("conv.weight", "norm.bias", "norm.running_var"):
        name = f"stages.0.0.conv1.{key}"
        assert torch.equal(own[name], theirs[name][[1, 3, 5, 7]])


def test_a_block_that_is_left_out_is_the_identity() -> None:
    rows = (Block("inverted", out=16, hidden=32), Block("inverted", out=16, hidden=48))
    arch = network(*rows)
    module = randomise(build(arch, seed=0))
    child = replace(arch, stages=((rows[0], Block("skip", out=16)),))
    x = noise(2, 3, 8, 8)
    first = module.get_submodule("stages.0.0")(module.stem(x))
    expected = module.head(first).flatten(1)
    assert torch.allclose(Parent(arch, module).child(child).eval()(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((Block("inverted", out=16, hidden=40), Block("conv", out=24)), "more channels than"),
        ((Block("basic", out=16, hidden=32), Block("conv", out=24)), "other operations than"),
        ((Block("inverted", out=16, hidden=32, kernel=5), Block("conv", out=24)), "larger kernel"),
        ((Block("inverted", out=16, hidden=32), Block("skip", out=16)), "no residual block"),
        ((Block("inverted", out=16, hidden=32),), "rows in other stages"),
    ],
)
def test_what_is_no_child_is_refused(rows: tuple[Block, ...], message: str) -> None:
    arch = network(Block("inverted", out=16, hidden=32), Block("conv", out=24))
    with pytest.raises(NoChild, match=message):
        Parent(arch, build(arch, seed=0)).channels(replace(arch, stages=(rows,)))


@pytest.mark.parametrize(
    "name", ["mobilenet_v3_small_100", "ghostnet_100", "regnety_400mf", "shufflenet_v1_x1_0"]
)
def test_every_network_of_a_parents_space_inherits(name: str) -> None:
    space = PruningSpace.of(nas.reference(name, resolution=64), "children")
    parent = Parent(space.parent, build(space.parent, seed=0))
    assert space.decode(space.whole) == space.parent
    for arch in (space.decode(space.least), *(space.sample(seed) for seed in range(4))):
        child = parent.child(arch)
        assert sum(p.numel() for p in child.parameters()) == nas.cost(arch).params
        assert nas.cost(arch).macs < nas.cost(space.parent).macs


def test_the_options_are_what_can_be_taken_away() -> None:
    rows = (Block("inverted", out=24, hidden=48, stride=2), Block("inverted", out=24, hidden=20))
    space = PruningSpace.of(network(*rows), "children")
    assert space.options == {
        "resolution": (4, 8),
        "stages.0.1.skip": (False, True),
        "stem.0.out": (8, 16),
        "stages.0.0.hidden": (8, 16, 24, 32, 40, 48),
        "stages.0.0.out": (8, 16, 24),
        "stages.0.1.hidden": (8, 16, 20),
    }
    again = PruningSpace.from_dict(space.to_dict(), "space")
    assert again.options == space.options
    child = again.decode({"stages.0.0.out": 16, "stages.0.1.skip": True, "resolution": 4})
    assert child.stages[0] == (
        Block("inverted", out=16, hidden=48, stride=2),
        Block("skip", out=16),
    )
    kept = PruningSpace.of(network(*rows), "x", keep_depth=True, keep_resolution=True, divisor=16)
    assert kept.options == {
        "stages.0.0.hidden": (16, 32, 48),
        "stages.0.0.out": (16, 24),
        "stages.0.1.hidden": (16, 20),
    }


def test_widths_that_would_change_what_a_row_does_are_raised() -> None:
    """A block of 24 channels after one of 16 has no shortcut, and is given none."""
    space = PruningSpace.of(network(Block("inverted", out=24, hidden=48)), "children")
    child = space.decode({"stem.0.out": 8, "stages.0.0.out": 8})
    assert (child.stem[0].get("out"), child.stages[0][0].get("out")) == (8, 16)


def test_flattened_maps_keep_their_size() -> None:
    arch = Architecture(8, (Block("conv", out=16),), (), (Block("linear", out=4),))
    space = PruningSpace.of(arch, "children")
    assert "resolution" not in space.options
    module = randomise(build(arch, seed=0))
    child = Parent(arch, module).child(space.decode({"stem.0.out": 8}))
    name = "head.0.linear.linear.weight"
    weight = module.state_dict()[name].view(4, 16, 64)[:, :8]
    assert torch.equal(child.state_dict()[name], weight.reshape(4, -1))


def test_torch_pruning_keeps_the_same_channels() -> None:
    """By the L1 norm of filters, half of each layer, on a network that both read."""
    tp = pytest.importorskip("torch_pruning")
    rows = (Block("conv", out=32), Block("basic", out=32, hidden=24), Block("conv", out=16))
    arch = network(*rows)
    module = randomise(build(arch, seed=0))
    parent = Parent(arch, module, l1(arch, module))
    half = (Block("conv", out=32), Block("basic", out=32, hidden=12), Block("conv", out=8))
    child = replace(arch, stem=(Block("conv", out=8),), stages=(half,))
    ours = parent.channels(child)
    theirs = build(arch, seed=0)
    theirs.load_state_dict(module.state_dict())
    tp.pruner.MetaPruner(
        theirs,
        torch.zeros(1, 3, 8, 8),
        importance=tp.importance.MagnitudeImportance(p=1, group_reduction="first"),
        pruning_ratio=0.5,
        # What a residual stream is ranked by differs.
        ignored_layers=[
            theirs.get_submodule(name)
            for name in ("stages.0.0.conv.conv", "stages.0.1.conv2.conv", "head.1.linear.linear")
        ],
    ).step()
    for name in ("stem.0.conv", "stages.0.1.conv1", "stages.0.2.conv"):
        before, left = (m.state_dict()[f"{name}.norm.running_mean"] for m in (module, theirs))
        assert torch.equal(before[torch.from_numpy(ours[name].out)], left)
    assert len(left) == 8
