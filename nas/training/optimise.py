"""The optimiser, its learning rate by how far a training is, and the average of the weights."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from math import cos, pi

import torch
from torch import nn

from nas.training.recipe import Recipe

START = 0.04  # of the highest rate, at the first step of a warm-up


def optimiser_of(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser of a module; vectors (norms and biases) have no weight decay.

    What a group's rate is to be multiplied by is its `factor`.
    """
    groups = _groups(list(module.parameters()), recipe, 1.0)
    if recipe.body_rate != 1:
        body, last = _split(module)
        groups = [*_groups(body, recipe, recipe.body_rate), *_groups(last, recipe, 1.0)]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr)
    nesterov = recipe.momentum > 0
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov)


def _groups(
    parameters: list[nn.Parameter], recipe: Recipe, factor: float
) -> list[dict[str, object]]:
    weights = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    return [
        {"params": weights, "weight_decay": recipe.weight_decay, "factor": factor},
        {"params": vectors, "weight_decay": 0.0, "factor": factor},
    ]


def _split(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters of the body, and those of the last convolution or linear layer."""
    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    last = list(layers[-1].parameters())
    held = {id(p) for p in last}
    return [p for p in module.parameters() if id(p) not in held], last


def norm_penalty(module: nn.Module, recipe: Recipe) -> torch.Tensor:
    """What the recipe's `norm_sparsity` adds to the loss."""
    scales = [m.weight for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    return recipe.norm_sparsity * sum((s.abs().sum() for s in scales), torch.zeros(()))


def rate(recipe: Recipe, share: float) -> float:
    """The learning rate of a step that has a share of the training behind it, from 0 to below 1."""
    rise = recipe.warmup
    if share < rise:
        return recipe.lr * (START + (1 - START) * share / rise)
    return recipe.lr * (1 + cos(pi * (share - rise) / (1 - rise))) / 2


def averaging(module: nn.Module, recipe: Recipe) -> tuple[nn.Module, Callable[[int, int], None]]:
    """The module of averaged weights, and the function that updates it after a step, of so many.

    A recipe without an average gives the module itself. Norm statistics are averaged too.
    """
    if recipe.ema == 0:
        return module, lambda step, steps: None
    average = deepcopy(module).requires_grad_(False)
    pairs = list(zip(average.state_dict().values(), module.state_dict().values(), strict=True))

    def update(step: int, steps: int) -> None:
        slowest = 1 / max(1.0, recipe.ema * steps)
        # At first the average follows quickly, or it would remember the initial weights.
        weight = max(slowest, 9 / (10 + step))
        for held, value in pairs:
            if held.is_floating_point():
                held.lerp_(value, weight)
            else:
                held.copy_(value)

    return average, update
