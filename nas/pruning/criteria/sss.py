"""Scale factors beside the norm, trained to be sparse (SSS, Huang and Wang 2018)."""

from __future__ import annotations

import torch
from torch.nn import functional

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject

STEPS, RATE, MOMENTUM, PENALTY = 20, 0.05, 0.9, 1e-2


@criterion(
    "sss",
    source="Huang and Wang 2018, Data-Driven Sparse Structure Selection, arXiv 1707.01213",
    needs=["weights", "images", "labels", "gradients", "training"],
    cost="60",
    failure="trains the factors alone, not the weights with them as the paper does",
)
def sss(subject: Subject) -> Scores:
    """The size of a factor on each channel's output after 20 accelerated proximal steps on the loss
    plus γ times the factors' L1 norm (APG-NAG, the paper's equations 8 to 10)."""
    factors = {
        name: torch.ones(1, layer.node.shape[0], 1, 1) for name, layer in subject.layers.items()
    }
    speed = {name: torch.zeros_like(factor) for name, factor in factors.items()}
    batches = list(subject.batches())
    for step in range(STEPS):
        images, labels = batches[step % len(batches)]
        ahead = {k: (v + MOMENTUM * speed[k]).requires_grad_() for k, v in factors.items()}
        loss = functional.cross_entropy(subject.gated(images, ahead), labels)
        gradients = torch.autograd.grad(loss, list(ahead.values()))
        for (name, factor), gradient in zip(factors.items(), gradients, strict=True):
            moved = ahead[name].detach() - RATE * gradient
            shrunk = functional.softshrink(moved, RATE * PENALTY)
            speed[name], factors[name] = shrunk - factor, shrunk
    return {name: factor.flatten().double().abs().numpy() for name, factor in factors.items()}
