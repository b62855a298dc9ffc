"""The optimiser's decay and the average of the weights, on numbers that are known."""

from __future__ import annotations

from math import exp

import pytest
import torch
from torch import nn

from nas.training import Recipe
from nas.training.optimise import averaging, norm_penalty, optimiser_of


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_weights_decay_and_norms_and_biases_do_not(optimiser: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    recipe = Recipe.model_validate({"optimiser": optimiser, "lr": 0.5, "weight_decay": 0.1})
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    for p in module.parameters():
        p.grad = torch.zeros_like(p)
    optimiser_of(module, recipe).step()
    decayed = set()
    for name, p in module.named_parameters():
        if not torch.equal(p, before[name]):
            decayed.add(name)
            assert (p / before[name]).mean() < 1
    assert decayed == {"0.weight", "3.weight"}


def _held(average: nn.Module) -> float:
    return float(average.get_parameter("weight"))


def test_the_average_soon_forgets_the_initial_weights() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.ones_(module.weight)
    average, update = averaging(module, Recipe(ema=0.5))
    nn.init.zeros_(module.weight)
    for step in range(20):
        update(step, 1000)
    assert _held(average) < 1e-3  # 0.96 were it slow from the beginning


def test_the_average_later_looks_back_over_its_share_of_the_run() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.ones_(module.weight)
    average, update = averaging(module, Recipe(ema=0.1))
    nn.init.zeros_(module.weight)
    for step in range(9_000, 10_000):
        update(step, 10_000)
    assert _held(average) == pytest.approx(exp(-1), rel=0.01)


def test_the_average_is_of_the_weights_since_the_beginning() -> None:
    """While it follows quickly, a weight of a tenth of the steps ago counts for 1/e or less."""
    module = nn.Linear(1, 1, bias=False)
    average, update = averaging(module, Recipe(ema=0.9))
    for step in range(1000):
        nn.init.constant_(module.weight, float(step))
        update(step, 10**6)
    assert _held(average) == pytest.approx(900, rel=0.01)


def test_norm_statistics_are_averaged_and_counts_are_copied() -> None:
    module = nn.BatchNorm2d(2)
    average, update = averaging(module, Recipe(ema=0.1))
    module(torch.full((4, 2, 3, 3), 7.0))
    update(10, 1000)
    assert average.get_buffer("num_batches_tracked") == 1
    seen = module.get_buffer("running_mean")
    assert average.get_buffer("running_mean") == pytest.approx(seen.numpy() * 9 / 20)
    assert average is not module
    assert not any(p.requires_grad for p in average.parameters())


def test_without_an_average_the_module_itself_counts() -> None:
    module = nn.Linear(1, 1)
    average, update = averaging(module, Recipe(ema=0))
    update(0, 10)
    assert average is module


def body_and_head() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))


def test_the_body_learns_at_its_own_rate() -> None:
    module = body_and_head()
    optimiser = optimiser_of(module, Recipe(body_rate=0.25))
    factors = {id(p): group["factor"] for group in optimiser.param_groups for p in group["params"]}
    found = {name: factors[id(p)] for name, p in module.named_parameters()}
    assert found == {
        "0.weight": 0.25,
        "0.bias": 0.25,
        "1.weight": 0.25,
        "1.bias": 0.25,
        "3.weight": 1.0,
        "3.bias": 1.0,
    }


def test_sparsity_pulls_the_scales_of_norms_and_nothing_else() -> None:
    module = body_and_head()
    nn.init.constant_(module.get_parameter("1.weight"), -0.5)
    penalty = norm_penalty(module, Recipe(norm_sparsity=0.01))
    penalty.backward()
    assert penalty.item() == pytest.approx(0.01)
    gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    assert list(gradients) == ["1.weight"]
    assert gradients["1.weight"].tolist() == pytest.approx([-0.01, -0.01])
    assert norm_penalty(nn.Linear(1, 1), Recipe(norm_sparsity=0.01)).item() == 0
