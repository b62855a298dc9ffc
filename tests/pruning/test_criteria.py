"""Every registered criterion on a small trained-like network, and on cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from nas.architecture import Architecture
from nas.blocks import Block
from nas.pruning.criteria import CRITERIA, Scores, criterion, importances, sss
from nas.pruning.criteria.nisp import infinite_selection
from nas.pruning.subject import Subject
from nas.support.errors import NasError
from nas.testing.criteria import check_criterion, sample_subject


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_it_keeps_the_contract(name: str) -> None:
    check_criterion(name)


DEAD = "stages.0.0.expand", 5


@pytest.fixture(scope="module")
def with_a_dead_channel() -> dict[str, Scores]:
    subject = sample_subject()
    channel = DEAD[1]
    state = subject.module.state_dict()  # its tensors are the module's own
    for owner, keys in {
        f"{DEAD[0]}.norm": ("weight", "bias", "running_mean"),
        "stages.0.0.depthwise.norm": ("bias", "running_mean"),
    }.items():
        for key in keys:
            state[f"{owner}.{key}"][channel] = 0
    state[f"{DEAD[0]}.conv.weight"][channel] = 0
    return {name: importances(name, subject) for name in CRITERIA}


@pytest.mark.parametrize("name", sorted(set(CRITERIA) - {"random"}))
def test_a_dead_channel_is_never_the_most_important(
    name: str, with_a_dead_channel: dict[str, Scores]
) -> None:
    scores = with_a_dead_channel[name][DEAD[0]]
    assert scores[DEAD[1]] < scores.max()


@pytest.mark.parametrize("name", ["hrank", "lasso", "nisp", "l1"])
def test_a_network_that_overflows_is_refused(name: str) -> None:
    subject = sample_subject()
    with torch.no_grad():
        for layer in subject.layers.values():
            layer.core.weight.mul_(1e12)
    with pytest.raises(NasError, match="outputs are no finite numbers"):
        importances(name, subject)


def test_random_scores_depend_on_the_seed() -> None:
    one = importances("random", sample_subject())
    other = importances("random", sample_subject(seed=1))
    assert (other["stem.0.conv"] != one["stem.0.conv"]).any()


def plain(*widths: int, norm: bool = False, act: str | None = None) -> Subject:
    """A network of 1x1 convolutions of those widths and a classifier of two classes."""
    rows = tuple(Block("conv", out=w, kernel=1, norm=norm, act=act) for w in widths)
    arch = Architecture(6, rows[:1], (rows[1:],), (Block("gap"), Block("linear", out=2)))
    return sample_subject(arch, images=32)


def set_weight(subject: Subject, name: str, values: list[list[float]]) -> None:
    with torch.no_grad():
        core = subject.layers[name].core
        core.weight.copy_(torch.tensor(values).view_as(core.weight))


def set_bias(subject: Subject, name: str, values: list[float]) -> None:
    bias = subject.layers[name].core.bias
    assert bias is not None
    with torch.no_grad():
        bias.copy_(torch.tensor(values))


def test_l1_and_l2_are_norms_of_filters() -> None:
    subject = plain(2, 2)
    set_weight(subject, "stem.0.conv", [[3, -4, 0], [0, 0, -2]])
    assert importances("l1", subject)["stem.0.conv"].tolist() == [7, 2]
    assert importances("l2", subject)["stem.0.conv"].tolist() == [5, 2]


def test_magnitude_does_not_change_with_a_layers_scale() -> None:
    subject = plain(4, 4)
    before = importances("magnitude", subject)["stem.0.conv"]
    with torch.no_grad():
        subject.layers["stem.0.conv"].core.weight.mul_(8)
    after = importances("magnitude", subject)["stem.0.conv"]
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_slimming_and_ccprune_read_the_norm() -> None:
    subject = plain(2, 2, norm=True)
    set_weight(subject, "stem.0.conv", [[1, 1, 0], [4, 0, 0]])
    norm = subject.layers["stem.0.conv"].norm
    assert norm is not None
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([-0.5, 0.125]))
    assert importances("slimming", subject)["stem.0.conv"].tolist() == [0.5, 0.125]
    assert importances("ccprune", subject)["stem.0.conv"].tolist() == [0.5, 0.25]


def test_slimming_reads_a_norm_of_its_own_behind_a_concatenation() -> None:
    arch = Architecture(
        6,
        (Block("conv", out=4),),
        ((Block("dense", growth=2, hidden=4), Block("activate")),),
        (Block("gap"), Block("linear", out=2)),
    )
    subject = sample_subject(arch)
    norm = subject.module.get_submodule("stages.0.1.activate.norm")
    assert isinstance(norm, torch.nn.BatchNorm2d)
    last = next(name for name in reversed(subject.layers) if name.startswith("stages.0.0"))
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2, 3, 4, 5, 6]))
    assert importances("slimming", subject)[last].tolist() == [5, 6]


def test_fpgm_removes_one_of_two_equal_filters_first() -> None:
    subject = plain(3, 2)
    set_weight(subject, "stem.0.conv", [[1, 0, 0], [0, 1, 0], [0, 1, 0]])
    scores = importances("fpgm", subject)["stem.0.conv"]
    np.testing.assert_allclose(scores, [2 * 2**0.5, 2**0.5, 2**0.5])


def loss_of(subject: Subject) -> torch.Tensor:
    with torch.no_grad():
        logits = subject.module(subject.images)
    return torch.nn.functional.cross_entropy(logits, subject.labels, reduction="none")


def scaled_loss(subject: Subject, name: str, channel: int, factor: float) -> torch.Tensor:
    """Each image's loss with a channel behind norm and ReLU times a factor, by its norm."""
    norm = subject.layers[name].norm
    assert norm is not None
    before = norm.weight[channel].item(), norm.bias[channel].item()
    with torch.no_grad():
        norm.weight[channel], norm.bias[channel] = before[0] * factor, before[1] * factor
        losses = loss_of(subject)
        norm.weight[channel], norm.bias[channel] = before
    return losses


def test_taylor_and_fisher_are_finite_differences_of_the_loss() -> None:
    subject = plain(4, 3, norm=True, act="relu")
    subject.module.double()
    subject.images = subject.images.double()
    name, step = "stem.0.conv", 1e-4
    slopes = torch.stack(
        [
            (scaled_loss(subject, name, c, 1 + step) - scaled_loss(subject, name, c, 1 - step))
            / (2 * step)
            for c in range(4)
        ],
        dim=1,
    )
    first = slopes.abs().mean(0)
    batches = torch.stack([part.mean(0) for part in slopes.split(16)])
    expected = {
        "taylor_2016": first / first.norm(),
        "taylor_2019": batches.square().mean(0),
        "fisher": slopes.square().mean(0) / 2,
    }
    for label, values in expected.items():
        scores = importances(label, subject)[name]
        np.testing.assert_allclose(scores, values.numpy(), rtol=1e-3, err_msg=label)


def test_the_oracle_is_the_loss_without_the_channel() -> None:
    subject = plain(4, 3, norm=True, act="relu")
    scores = importances("oracle", subject)["stem.0.conv"]
    whole = loss_of(subject).mean()
    for c in range(4):
        rise = scaled_loss(subject, "stem.0.conv", c, 0.0).mean() - whole
        assert scores[c] == pytest.approx(rise.item(), abs=1e-5)


def cancelling() -> Subject:
    """Channels 0 and 1 cancel in the next layer, 2 adds little and 3 most."""
    subject = plain(4, 1)
    set_weight(subject, "stem.0.conv", [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    set_weight(subject, "stages.0.0.conv", [[2, -2, 1, 3]])
    set_bias(subject, "stem.0.conv", [0] * 4)
    return subject


def test_thinet_removes_channels_that_cancel_together() -> None:
    scores = importances("thinet", cancelling())["stem.0.conv"]
    assert scores[2] < min(scores[0], scores[1])
    assert max(scores[0], scores[1]) < scores[3]


def test_lasso_gives_nothing_to_channels_that_cancel() -> None:
    scores = importances("lasso", cancelling())["stem.0.conv"]
    assert scores[3] > scores[2] > max(scores[0], scores[1])


def test_nisp_carries_scores_back_through_absolute_weights() -> None:
    subject = plain(3, 4)
    scores = importances("nisp", subject)
    last = scores["stages.0.0.conv"]
    weight = subject.layers["stages.0.0.conv"].weight[:, :, 0].double().abs().numpy()
    np.testing.assert_allclose(scores["stem.0.conv"], weight.T @ last, rtol=1e-6)
    with torch.no_grad():
        read = subject.module.stages(subject.module.stem(subject.images)).mean((2, 3))
    np.testing.assert_allclose(last, infinite_selection(read.double().numpy()), rtol=1e-4)


def test_infinite_selection_sums_all_paths() -> None:
    features = np.random.default_rng(0).normal(size=(50, 6))
    features[:, 5] = features[:, 4] ** 3  # the same ranks
    scores = infinite_selection(features)
    deviation = features.std(0) / features.std(0).max()
    correlation, _ = spearmanr(features)
    edges = (np.maximum.outer(deviation, deviation) + 1 - np.abs(correlation)) / 2
    step = 0.9 / np.abs(np.linalg.eigvals(edges)).max() * edges
    paths, power = np.zeros_like(step), np.eye(6)
    for _ in range(400):
        power = power @ step
        paths += power
    np.testing.assert_allclose(scores, paths.sum(1), rtol=1e-8)


def test_hrank_is_the_rank_of_the_maps() -> None:
    subject = plain(2, 2)
    set_weight(subject, "stem.0.conv", [[1, 0, 0], [0, 0, 0]])
    set_bias(subject, "stem.0.conv", [0, 2])
    assert importances("hrank", subject)["stem.0.conv"].tolist() == [6, 1]


def test_apoz_and_activity_of_a_channel_that_fires_for_half_of_the_pixels() -> None:
    subject = plain(2, 2, act="relu")
    subject.images = torch.ones_like(subject.images)
    subject.images[:, :, :3] = -1
    set_weight(subject, "stem.0.conv", [[0.5, 0, 0], [0, 0, 0]])
    set_bias(subject, "stem.0.conv", [0, 2])
    assert importances("apoz", subject)["stem.0.conv"].tolist() == [0.5, 1]
    assert importances("activity", subject)["stem.0.conv"].tolist() == [0.25, 2]


def test_factors_of_what_the_loss_does_not_see_shrink_by_the_penalty_alone(
    with_a_dead_channel: dict[str, Scores],
) -> None:
    factor = speed = 1.0
    speed = 0.0
    for _ in range(sss.STEPS):
        shrunk = factor + sss.MOMENTUM * speed - sss.RATE * sss.PENALTY
        factor, speed = shrunk, shrunk - factor
    assert with_a_dead_channel["sss"][DEAD[0]][DEAD[1]] == pytest.approx(factor, rel=1e-5)


def test_a_criterion_that_gives_no_numbers_is_an_error() -> None:
    criterion("broken", source="none", needs=[])(lambda subject: {})
    try:
        with pytest.raises(NasError, match=r"stem\.0\.conv needs 8 scores, not none"):
            importances("broken", sample_subject())
    finally:
        CRITERIA.forget("broken")
    with pytest.raises(NasError, match="did you mean 'fpgm'"):
        importances("fpgn", sample_subject())
    with pytest.raises(NasError, match="need 'image' is unknown; did you mean 'images'"):
        criterion("broken", source="none", needs=["image"])  # type: ignore[list-item]
