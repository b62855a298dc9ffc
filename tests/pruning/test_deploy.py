"""Networks that were trained as branches are pruned as the plain ones that they are exported as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from parents import RECIPE, inheritance_of

from nas.architecture import Architecture
from nas.blocks import Block
from nas.data import load_data
from nas.pruning.children import without_branches
from nas.pruning.deploy import without_branches_module
from nas.pruning.evaluate import Bench
from nas.pruning.inherit import Parent
from nas.pruning.quick import QuickNetwork
from nas.pruning.space import PruningSpace
from nas.references import reference
from nas.testing.numerics import randomise
from nas.torch_module import build
from nas.training import train


@pytest.mark.parametrize("name", ["repvgg_a0", "mobileone_s0", "mobilenet_v2_100"])
def test_the_plain_network_computes_the_same_and_can_be_pruned(name: str) -> None:
    arch = reference(name, 10, 32)
    module = randomise(build(arch, seed=0))
    x = torch.randn(8, *arch.input_shape, generator=torch.Generator().manual_seed(0))
    space = PruningSpace.of(arch, "children")
    plain = without_branches_module(arch, module, x)
    assert space.trained.hash == arch.hash
    with torch.no_grad():
        expected = module(x)
        parent = Parent(space.parent, plain)
        limit = 1e-3 * float(expected.abs().max())
        assert torch.allclose(parent.child(space.parent).eval()(x), expected, atol=limit)
        # ... also where the norms' statistics are estimated again
        kept = parent.channels(space.parent)
        if name != "mobilenet_v2_100":  # whose own norms are others' after that
            quick = QuickNetwork(space.parent, parent.tensors(space.parent, kept, learned=True))
            assert torch.allclose(quick.settle(x), expected, atol=limit)
        child = space.decode(space.sample_params(np.random.default_rng(0)))
        assert parent.child(child).eval()(torch.zeros(1, *child.input_shape)).shape == (1, 10)


def test_a_network_without_branches_stays() -> None:
    arch = reference("resnet18", 10, 32)
    module = build(arch, seed=0)
    assert without_branches(arch) == arch
    assert without_branches_module(arch, module, torch.zeros(1, 3, 32, 32)) is module


def test_a_trained_one_is_judged_as_it_was_trained(tmp_path: Path) -> None:
    rows = (Block("repvgg", out=16), Block("mobileone", out=24, stride=2, branches=2))
    head = (Block("gap"), Block("linear", out=10))
    arch, data = Architecture(8, (Block("conv", out=16),), (rows,), head, 1), load_data("digits")
    trained = train(arch, data, RECIPE, output=tmp_path / "net", device="cpu")
    bench = Bench(inheritance_of(arch, tmp_path / "net", data), data)
    space = PruningSpace.of(arch, "children")
    whole = bench.evaluated(space.parent)["inherited_accuracy"]
    assert whole == pytest.approx(trained.accuracy, abs=0.04)
    assert whole > 0.5
    assert bench.evaluated(space.decode(space.least))["inherited_accuracy"] < whole
