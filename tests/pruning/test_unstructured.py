"""Zeros among weights: as many as asked for, where they should be, and the right ones."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from nas.architecture import Architecture
from nas.blocks import Block
from nas.formats.verified import initialised
from nas.pruning.sparse_report import sparse_cost
from nas.pruning.subject import Subject
from nas.pruning.unstructured import METHODS, parsed_pattern, sparsified
from nas.support.errors import NasError


@pytest.fixture(scope="module")
def subject() -> Subject:
    arch = Architecture(
        8,
        (Block("conv", out=8),),
        ((Block("inverted", out=8, hidden=18, se=4, act="relu"), Block("conv", out=8, groups=2)),),
        (Block("gap"), Block("linear", out=3)),
    )
    images = torch.randn(48, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images = images + images.roll(1, 1)  # channels that tell of each other
    return Subject(arch, arch.graph(), initialised(arch), images, torch.arange(48) % 3)


def logits(subject: Subject, module: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = module(subject.images)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_the_share_of_zeros_is_as_asked(subject: Subject, method: str) -> None:
    before = {k: v.clone() for k, v in subject.module.state_dict().items()}
    sparse = sparsified(subject, method, 0.5)
    assert sparse.sparsity == pytest.approx(0.5, abs=0.05 if method == "obs" else 0.002)
    for name, mask in sparse.masks.items():
        layer = subject.readers[name]
        weight = sparse.module.get_parameter(f"{name}.{layer.node.op}.weight")
        assert torch.equal(weight.view_as(mask) != 0, mask)
        if method != "obs":  # what stays is as it was
            torch.testing.assert_close(weight.view_as(mask)[mask], layer.weight[mask])
    assert all(torch.equal(v, before[k]) for k, v in subject.module.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pattern", [(2, 4), (1, 8)])
def test_n_of_every_m_input_channels_stay(
    subject: Subject, method: str, pattern: tuple[int, int]
) -> None:
    n, m = pattern
    for mask in sparsified(subject, method, pattern=pattern).masks.values():
        whole = mask.shape[1] // m * m
        groups = mask[:, :whole].unflatten(1, (-1, m))
        assert (groups.sum(2) == n).all()
        assert mask[:, whole:].all()


def test_magnitude_removes_the_smallest_of_a_layer(subject: Subject) -> None:
    mask = sparsified(subject, "magnitude", 0.3).masks["stem.0.conv"]
    weight = subject.readers["stem.0.conv"].weight.abs()
    assert weight[~mask].max() < weight[mask].min()


def squared_error(subject: Subject, name: str, weight: torch.Tensor) -> float:
    change = weight.detach() - subject.readers[name].weight
    return float((subject.patches[name].flatten(1) @ change.flatten(1).T).square().mean())


def test_obs_leaves_less_error_than_magnitude_with_the_same_pattern(subject: Subject) -> None:
    name = "stages.0.0.project"
    errors = {}
    for method in ("obs", "magnitude"):
        module = sparsified(subject, method, pattern=(2, 4)).module
        weight = module.get_parameter(f"{name}.conv.weight").flatten(2)
        errors[method] = squared_error(subject, name, weight)
    assert errors["obs"] < 0.8 * errors["magnitude"]


def test_obs_is_the_brute_force_where_one_weight_goes() -> None:
    """The removal and the mending are the best of all, up to the damping."""
    arch = Architecture(
        6, (Block("conv", out=2, kernel=1, norm=False, act=None),), (), (Block("gap"),)
    )
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(64, 3, 6, 6, generator=generator)
    images[:, 1] += images[:, 0]
    subject = Subject(arch, arch.graph(), initialised(arch), images, torch.zeros(64).long())
    name = "stem.0.conv"
    found = sparsified(subject, "obs", 1 / 3).module.get_parameter(f"{name}.conv.weight").flatten(1)
    reads = subject.patches[name].flatten(1).double().numpy()
    for row, mended in zip(subject.readers[name].weight.flatten(1), found, strict=True):
        target = reads @ row.double().numpy()
        errors = {}
        for kept in combinations(range(3), 2):
            columns = reads[:, list(kept)]
            best, *_ = np.linalg.lstsq(columns, target, rcond=None)
            errors[kept] = float(np.square(columns @ best - target).sum())
        kept = min(errors, key=lambda k: errors[k])
        assert np.flatnonzero(mended.detach().numpy()).tolist() == list(kept)
        error = np.square(reads @ mended.detach().double().numpy() - target).sum()
        assert error == pytest.approx(errors[kept], rel=0.05)


def test_obd_keeps_what_the_loss_feels(subject: Subject) -> None:
    """Its score of a weight is half the mean square of the loss's derivative times the weight."""
    sparse = sparsified(subject, "obd", 0.95)
    name = "head.1.linear"
    weight = subject.readers[name].weight[:, :, 0]
    with torch.no_grad():
        features = subject.module.stages(subject.module.stem(subject.images)).mean((2, 3))
        errors = logits(subject, subject.module).softmax(1)
        errors = errors - torch.nn.functional.one_hot(subject.labels, 3)
    gradients = errors[:, :, None] * features[:, None]
    scores = (gradients * weight).square().mean(0)
    mask = sparse.masks[name][:, :, 0]
    assert scores[~mask].max() < scores[mask].min()


def test_inputs_that_never_vary_go_first_and_their_mean_into_the_bias() -> None:
    arch = Architecture(
        6, (Block("conv", out=2, kernel=1, norm=False, act=None),), (), (Block("gap"),)
    )
    images = torch.randn(64, 3, 6, 6, generator=torch.Generator().manual_seed(3))
    images[:, 2] = 5.0
    subject = Subject(arch, arch.graph(), initialised(arch), images, torch.zeros(64).long())
    sparse = sparsified(subject, "variance", 1 / 3)
    assert sparse.masks["stem.0.conv"][:, :, 0].tolist() == [[True, True, False]] * 2
    torch.testing.assert_close(
        logits(subject, sparse.module), logits(subject, subject.module), atol=1e-4, rtol=1e-4
    )


def test_the_report_says_what_is_saved(subject: Subject) -> None:
    sparse = sparsified(subject, "magnitude", 0.9)
    cost = sparse_cost(subject.arch, subject.module, sparse.module)
    assert cost.sparse_bytes < cost.dense_bytes
    lines = cost.lines(sparse.sparsity)
    assert lines[0].startswith("90.0% of the weights")
    assert "none is saved on dense hardware" in lines[1]


def test_mistakes(subject: Subject) -> None:
    with pytest.raises(NasError, match="did you mean 'magnitude'"):
        sparsified(subject, "magnitud")
    with pytest.raises(NasError, match="sparsity 1 must be above 0 and below 1"):
        sparsified(subject, "obd", 1)
    with pytest.raises(NasError, match="pattern 4:4 must keep 1 to m - 1 of m"):
        sparsified(subject, "obd", pattern=(4, 4))
    assert parsed_pattern("2:4") == (2, 4)
    for text in ("2", "4:2", "a:b", "2:4:8", "2:" + "9" * 5000):
        with pytest.raises(NasError, match="must be n:m"):
            parsed_pattern(text)
