"""FBNet's choices decode to the networks of the paper and of HW-NAS-Bench."""

import re

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import nas
from nas.blocks import Block, Layer, Settings, block_graph, kind
from nas.support.errors import NasError

# A few networks whose latency HELP publishes, as there.
OPS = (
    "7 8 1 8 4 8 8 8 7 4 1 4 7 3 2 7 3 2 4 2 4 5",
    "5 3 5 5 0 4 7 5 5 2 0 2 4 5 1 3 7 2 6 0 4 0",
    "8 2 1 5 1 8 4 6 6 2 5 2 5 1 2 5 2 8 2 3 5 0",
)
CHOICES = [[int(op) for op in ops.split()] for ops in OPS]
EVERY_ONE = [0, 1, 2, 3, 4, 5, 6, 7, 8] * 2 + [0, 1, 5, 8]

# FBNet-A, -B and -C (released definitions) and the multiply-adds that the paper gives, in millions.
PUBLISHED = {
    "A": ([8, 2, 0, 8, 8, 7, 2, 4, 2, 7, 6, 5, 7, 3, 5, 4, 1, 7, 7, 6, 7, 7], 249),
    "B": ([0, 3, 4, 0, 0, 7, 6, 3, 7, 7, 4, 8, 6, 7, 0, 4, 6, 7, 4, 7, 7, 3], 295),
    "C": ([0, 3, 8, 0, 0, 7, 6, 7, 3, 7, 6, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 3], 375),
}


@pytest.mark.parametrize("choices", CHOICES, ids=OPS)
def test_a_network_is_a_stem_22_layers_and_a_head(choices: list[int]) -> None:
    arch = nas.fbnet(choices)
    assert arch.resolution == 32
    assert arch.classes == 100
    assert len(arch.stem) == 1
    assert [len(stage) for stage in arch.stages] == [1, 4, 4, 4, 4, 4, 1]
    assert [row.kind for row in arch.head] == ["conv", "gap", "linear"]
    assert arch.head[0].get("out") == 1504
    kinds = ["skip" if choice == 8 else "inverted" for choice in choices]
    assert [row.kind for stage in arch.stages for row in stage] == kinds
    assert nas.Architecture.from_json(arch.to_json()) == arch


SIZES = {"cifar100": (32, [32, 32, 16, 8, 8, 4, 4]), "imagenet": (112, [112, 56, 28, 14, 14, 7, 7])}


@pytest.mark.parametrize("variant", SIZES)
@pytest.mark.parametrize("choices", [*CHOICES, [8] * 22], ids=[*OPS, "only skips"])
def test_shape_behind_every_stage(variant: str, choices: list[int]) -> None:
    stem, sizes = SIZES[variant]
    arch = nas.fbnet(choices, variant)
    shape = arch.input_shape
    for row in arch.stem:
        shape = block_graph(row, shape).output_shape
    assert shape == (16, stem, stem)
    for stage, width, size in zip(arch.stages, (16, 24, 32, 64, 112, 184, 352), sizes, strict=True):
        for row in stage:
            shape = block_graph(row, shape).output_shape
            assert shape == (width, size, size)


@pytest.mark.parametrize("variant", SIZES)
@pytest.mark.parametrize("choices", [CHOICES[0], EVERY_ONE], ids=["published", "every choice"])
def test_cost_is_what_torch_counts(variant: str, choices: list[int]) -> None:
    arch = nas.fbnet(choices, variant)
    module = nas.build(arch, seed=0).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        logits = module(torch.zeros(1, *arch.input_shape))
    assert logits.shape == (1, arch.classes)
    assert 2 * nas.cost(arch).macs == counter.get_total_flops()
    assert nas.cost(arch).params == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_have_the_published_multiply_adds(name: str) -> None:
    choices, millions = PUBLISHED[name]
    arch = nas.fbnet(choices, "imagenet")
    assert arch.classes == 1000
    assert nas.cost(arch).macs / 1e6 == pytest.approx(millions, rel=0.03)


def test_a_block_expands_at_expansion_1_and_shuffles_its_groups() -> None:
    choices = [1, *[8] * 21]
    (row,) = nas.fbnet(choices).stages[0]
    nodes = block_graph(row, (16, 8, 8)).nodes
    assert [n.op for n in nodes[1:]] == ["conv", "shuffle", "conv", "conv", "add"]
    assert [n.groups for n in nodes[1:]] == [2, 2, 16, 2, 1]
    assert row.get("hidden") == 16


def test_every_choice_of_every_layer_is_another_network() -> None:
    networks = [EVERY_ONE, *CHOICES]
    for layer in range(22):
        networks += [[c if i == layer else 0 for i in range(22)] for c in range(1, 9)]
    hashes = {nas.fbnet(choices).hash for choices in networks}
    # A skipped layer leaves no trace: in a stage of equal layers it does not matter which it is.
    same = sum(depth - 2 for depth in (1, 4, 4, 4, 4, 4, 1) if depth > 1)
    assert len(hashes) == len(networks) - same


def test_a_skip_is_an_identity_where_the_shape_allows() -> None:
    assert len(block_graph(Block("skip", out=16), (16, 8, 8)).nodes) == 1
    for row in (Block("skip", out=24), Block("skip", out=16, stride=2)):
        (node,) = block_graph(row, (16, 8, 8)).nodes[1:]
        assert (node.op, node.kernel, node.groups) == ("conv", (1, 1), 1)


def test_choices_may_be_any_whole_numbers() -> None:
    assert nas.fbnet(np.array(CHOICES[0])) == nas.fbnet(tuple(CHOICES[0])) == nas.fbnet(CHOICES[0])


ERRORS = {
    "too few": ([0] * 21, "FBNet has 22 layers, one choice each, not 21"),
    "too many": ([0] * 23, "FBNet has 22 layers, one choice each, not 23"),
    "too large": ([*[0] * 21, 9], "choice 9 of layer 21 must be a whole number from 0 to 8"),
    "negative": ([-1, *[0] * 21], "choice -1 of layer 0 must be a whole number from 0 to 8"),
    "fraction": ([0.5, *[0] * 21], "choice 0.5 of layer 0 must be a whole number from 0 to 8"),
    "truth": ([True, *[0] * 21], "choice True of layer 0 must be a whole number"),
    "nothing in it": ([None, *[0] * 21], "choice None of layer 0 must be a whole number"),
    "text": (OPS[0], "must be 22 whole numbers, not '7 8 1"),
    "nothing": (None, "must be 22 whole numbers, not None"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_wrong_choices_name_the_value_and_the_rule(name: str) -> None:
    choices, message = ERRORS[name]
    with pytest.raises(NasError, match=re.escape(message)) as caught:
        nas.fbnet(choices)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variant", ["cifar10", None, ["imagenet"]])
def test_unknown_variant_lists_the_known(variant: object) -> None:
    with pytest.raises(NasError, match=r"variant .* is unknown.*one of: cifar100, imagenet"):
        nas.fbnet(CHOICES[0], variant)  # type: ignore[arg-type]


def test_a_space_can_choose_the_same_rows() -> None:
    (row,) = nas.fbnet([1, *[8] * 21]).stages[0]
    layer = Layer(in_channels=16, out=16, stride=1, prune=0.0, divisor=8)
    choices: Settings = {"kernel": 3, "expansion": 1, "groups": 2, "act": "relu"}
    choices["always_expand"] = True
    assert kind("inverted").resolve(layer, choices) is row
    assert kind("skip").resolve(layer._replace(prune=0.5), {}) is Block("skip", out=16)


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(NasError, match="groups=2 must divide"):
        block_graph(Block("inverted", out=16, hidden=9, groups=2), (16, 8, 8))
