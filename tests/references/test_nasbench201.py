"""NAS-Bench-201's networks against the figures that the benchmark publishes and against torch."""

import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import nas
from nas.support.errors import NasError

CONV = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
    "|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
BEST = CONV.replace("+|nor_conv_3x3~0|nor_conv_3x3~1|nor", "+|skip_connect~0|nor_conv_3x3~1|nor")
DEAD_CONV = "|none~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|avg_pool_3x3~2|"

# Parameters and multiply-adds in millions on CIFAR-10, as the benchmark's own API gives them.
PUBLISHED = {CONV: (1.531546, 220.11969), NONE: (0.073306, 7.78305), DEAD_CONV: (0.101306, 11.7152)}


@pytest.mark.parametrize("cell", PUBLISHED)
def test_costs_are_the_published_ones(cell: str) -> None:
    cost = nas.cost(nas.nasbench201(cell))
    params, macs = PUBLISHED[cell]
    assert cost.params / 1e6 == pytest.approx(params, abs=1e-6)
    assert cost.macs / 1e6 == pytest.approx(macs, abs=1e-4)


@pytest.mark.parametrize("cell", [CONV, NONE, BEST, DEAD_CONV])
def test_costs_are_what_torch_counts(cell: str) -> None:
    arch = nas.nasbench201(cell, classes=100)
    module = nas.build(arch, seed=0).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        logits = module(torch.zeros(1, *arch.input_shape))
    assert logits.shape == (1, 100)
    assert 2 * nas.cost(arch).macs == counter.get_total_flops()
    assert nas.cost(arch).params == sum(p.numel() for p in module.parameters())


def test_a_network_is_three_stages_of_five_cells() -> None:
    arch = nas.nasbench201(BEST)
    kinds = [[row.kind for row in stage] for stage in arch.stages]
    assert kinds == [["cell"] * 5, ["cell_reduce"] + ["cell"] * 5, ["cell_reduce"] + ["cell"] * 5]
    assert arch.input_shape == (3, 32, 32)
    shapes = [graph.output_shape for _, graph in arch.row_graphs()]
    assert shapes[5] == (16, 32, 32)
    assert shapes[11] == (32, 16, 16)
    assert shapes[17] == (64, 8, 8)
    assert nas.Architecture.from_json(arch.to_json()) == arch


def test_a_cell_of_zeros_gives_zeros() -> None:
    """The classifier then sees the same for every image."""
    module = nas.build(nas.nasbench201(NONE), seed=0).eval()
    with torch.no_grad():
        a, b = module(torch.randn(2, 3, 32, 32))
    torch.testing.assert_close(a, b)


def test_a_node_is_the_sum_of_its_edges() -> None:
    """With skips alone every node doubles: 1, 1, 1 + 1, 1 + 1 + 2 times the input."""
    cell = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+"
    cell += "|skip_connect~0|skip_connect~1|skip_connect~2|"
    row = nas.build(nas.nasbench201(cell), seed=0).get_submodule("stages.0.0")
    x = torch.randn(1, 16, 4, 4)
    torch.testing.assert_close(row(x), 4 * x)


ERRORS = {
    "not text": (7, "must be text, not 7"),
    "few nodes": ("|none~0|+|none~0|none~1|", "2 nodes, not 3"),
    "an unknown operation": (CONV.replace("3x3~2", "5x5~2"), "'nor_conv_5x5' is unknown"),
    "a wrong source": (NONE.replace("none~1|+", "none~0|+"), "node 2 must be |op~0|op~1|"),
    "no bars": (NONE.replace("|none~0|+|none~0|none~1|+", "none~0+|none~0|none~1|+"), "node 1"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_wrong_cell_names_the_node_and_the_rule(name: str) -> None:
    cell, message = ERRORS[name]
    with pytest.raises(NasError, match=re.escape(message)):
        nas.nasbench201(cell)  # type: ignore[arg-type]
