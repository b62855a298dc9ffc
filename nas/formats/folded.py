"""Norms of which a file has only the layers that they were folded into."""

from __future__ import annotations

from contextlib import ExitStack

import torch
from torch import Tensor, nn


def fold_norm(norm: nn.BatchNorm2d, bias: Tensor) -> None:
    """Makes a norm add a `bias` (C,) and do nothing else."""
    channels = len(bias)
    tensors = {
        "weight": torch.ones(channels),
        "bias": bias,
        "running_mean": torch.zeros(channels),
        "running_var": torch.full((channels,), 1.0 - norm.eps),
    }
    norm.load_state_dict(tensors, strict=False)


def unfold_norms(module: nn.Module, images: Tensor) -> None:
    """Gives each norm of `fold_norm` the mean and the variance of what it gets of the `images`
    (N, C, H, W) as statistics, and the scale and shift by which it computes what it did.

    Otherwise a training, or an estimate of the statistics on other images, would change what the
    module computes. It is left in evaluation mode.
    """

    def refit(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        norm.bias.add_(norm.weight * (mean - norm.running_mean))
        norm.weight.mul_((variance + norm.eps).sqrt())
        norm.running_mean, norm.running_var = mean, variance

    folded = folded_norms(module)
    module.eval()
    if not folded:
        return
    with ExitStack() as stack, torch.no_grad():
        for norm in folded:
            stack.callback(norm.register_forward_pre_hook(refit).remove)
        module(images)


def folded_norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    """The norms of `fold_norm`: no other has just that variance."""
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    return [m for m in norms if (m.running_var == 1.0 - m.eps).all()]  # type: ignore[union-attr]
