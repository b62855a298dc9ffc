"""ZiCo (Li et al. 2023): gradients that are large and agree between batches."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy


@proxy(
    "zico",
    paper="Li et al. 2023, arXiv 2301.11300",
    needs=["data", "labels", "backward"],
    cost="3",
    failure="sums over layers: it favours depth",
)
def zico(probe: Probe) -> float:
    """Σ over layers of log Σ over weights of mean |g| / std |g|; mean and std are over the batch's
    two halves."""
    if len(probe.batch) < 2:
        raise UndefinedScore("a batch of one image has no halves")
    layers = list(probe.matrices.values())
    halves = []
    for x, labels in zip(probe.batch.chunk(2), probe.labels.chunk(2), strict=True):
        loss = F.cross_entropy(probe.run(probe.weights, x).flatten(1), labels)
        halves.append(torch.autograd.grad(loss, layers, allow_unused=True))
    total = 0.0
    for a, b in zip(*halves, strict=True):
        if a is None or b is None:
            continue
        pair = torch.stack([a.abs(), b.abs()]).double()
        mean, std = pair.mean(0), pair.std(0, correction=0)
        ratio = (mean[std > 0] / std[std > 0]).sum().item()
        total += torch.log(torch.tensor(ratio)).item() if ratio > 0 else 0.0
    return total
