"""Least-squares reconstruction against what it must not do worse than, and where it is exact."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from nas.architecture import Architecture
from nas.blocks import Block
from nas.formats.verified import initialised
from nas.pruning.criteria import importances
from nas.pruning.inherit import Parent, with_tensors
from nas.pruning.reconstruct import reconstruct, reconstructed
from nas.pruning.subject import Subject
from nas.support.errors import NasError


@pytest.fixture(scope="module")
def subject() -> Subject:
    arch = Architecture(
        8,
        (Block("conv", out=8), Block("conv", out=6)),
        ((Block("conv", out=8, groups=2), Block("depthwise", out=8)),),
        (Block("linear", out=3),),
    )
    images = torch.randn(96, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    module = initialised(arch)
    with torch.no_grad():  # channel 7 of the stem is channel 2 once more
        chain = module.get_submodule("stem.0.conv")
        for tensor in chain.state_dict().values():
            if tensor.dim():
                tensor[7] = tensor[2]
    return Subject(arch, arch.graph(), module, images, torch.arange(96) % 3)


def outputs(subject: Subject, name: str, weight: torch.Tensor, kept: list[int]) -> torch.Tensor:
    found: list[torch.Tensor] = []
    layer = subject.layers[name]
    hook = layer.chain.register_forward_pre_hook(lambda module, x: found.append(x[0][:, kept]))
    with hook, torch.no_grad():
        subject.module(subject.images)
        if layer.node.op == "linear":
            return functional.linear(found[0].flatten(1), weight)
        return functional.conv2d(
            found[0], weight, padding=layer.node.padding, groups=layer.node.groups
        )


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("stem.1.conv", [0, 1, 3, 4, 6]),
        ("stages.0.0.conv", [0, 2, 3, 5]),
        ("stages.0.1.pointwise", [1, 2, 5]),
        ("head.0.linear", [0, 1, 2, 4, 6, 7]),
    ],
)
def test_the_outputs_are_nearer_to_the_parents(
    subject: Subject, name: str, kept: list[int]
) -> None:
    layer = subject.layers[name]
    everything = list(range(layer.inputs[0]))
    whole = outputs(subject, name, layer.core.weight, everything)
    new = reconstructed(subject, name, kept)
    per = layer.channels
    chosen = [i % per for i in kept][: len(kept) // layer.node.groups]
    plain = layer.core.weight.detach()
    if layer.node.groups == 1:
        plain = layer.weight[:, chosen].reshape(new.shape)
    else:  # both groups keep their own
        halves = layer.weight.view(2, 4, per, -1)
        picked = [halves[g][:, [i % per for i in kept if i // per == g]] for g in range(2)]
        plain = torch.cat(picked).reshape(new.shape)
    before = (outputs(subject, name, plain, kept) - whole).square().mean()
    after = (outputs(subject, name, new, kept) - whole).square().mean()
    assert after < 0.9 * before


def test_a_channel_that_another_repeats_is_made_up_for(subject: Subject) -> None:
    kept = [0, 1, 2, 3, 4, 5, 6]
    new = reconstructed(subject, "stem.1.conv", kept)
    whole = outputs(subject, "stem.1.conv", subject.layers["stem.1.conv"].core.weight, [*kept, 7])
    torch.testing.assert_close(outputs(subject, "stem.1.conv", new, kept), whole, rtol=0, atol=0.02)


def test_nothing_changes_where_nothing_is_lost(subject: Subject) -> None:
    for name, layer in subject.layers.items():
        new = reconstructed(subject, name, range(layer.inputs[0]))
        torch.testing.assert_close(new, layer.core.weight.detach())


def test_groups_must_keep_as_many() -> None:
    arch = Architecture(
        4, (Block("conv", out=4),), ((Block("conv", out=4, groups=2),),), (Block("gap"),)
    )
    images = torch.randn(8, 3, 4, 4)
    subject = Subject(arch, arch.graph(), initialised(arch), images, torch.zeros(8).long())
    with pytest.raises(NasError, match="2 groups keep different numbers of input channels"):
        reconstructed(subject, "stages.0.0.conv", [0, 1, 2])


def test_a_child_computes_more_nearly_what_its_parent_does() -> None:
    arch = Architecture(
        8,
        (Block("conv", out=8),),
        ((Block("inverted", out=8, hidden=24, se=4), Block("conv", out=12)),),
        (Block("linear", out=5),),
    )
    module = initialised(arch, 1)
    images = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    subject = Subject(arch, arch.graph(), module, images, torch.arange(64) % 5)
    small = Architecture(
        8,
        (Block("conv", out=8),),
        ((Block("inverted", out=8, hidden=16, se=4), Block("conv", out=8)),),
        arch.head,
    )
    parent = Parent(arch, module, importances("l1", subject))
    kept = parent.channels(small)
    tensors, errors = parent.tensors(small, kept), []
    for _ in range(2):
        with torch.no_grad():
            child = with_tensors(small, tensors).eval()
            errors.append((child(images) - module(images)).square().mean())
        reconstruct(tensors, subject, kept)
    assert errors[1] < 0.7 * errors[0]
