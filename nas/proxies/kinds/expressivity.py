"""Expressivity of AZ-NAS (Lee and Ham 2024): how many dimensions the features fill."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.proxies.probe import Probe
from nas.proxies.registry import proxy


def entropy(features: Tensor) -> float:
    """The entropy, in nats, of the channels' principal components: of the eigenvalues of the
    covariance of the channels of `features` (N, C, H, W), as shares of their sum."""
    rows = features.transpose(0, 1).flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    # The smaller of the two Gram matrices has the same eigenvalues other than 0.
    gram = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    values = torch.linalg.eigvalsh(gram.double()).clamp(min=0)
    shares = values / values.sum().clamp(min=1e-300)
    return float(torch.special.entr(shares).sum())


def entropies(probe: Probe) -> list[float]:
    """The entropies of the feature maps between blocks, in order."""
    return [entropy(probe.trace.values[i]) for i in probe.blocks]


@proxy(
    "expressivity",
    paper="Lee and Ham 2024 (AZ-NAS), arXiv 2403.19232",
    needs=["data"],
    cost="1",
    failure="grows with the number of blocks; low for narrow blocks that are many",
)
def expressivity(probe: Probe) -> float:
    """Sum over blocks of the entropy of their features' principal components."""
    return sum(entropies(probe))
