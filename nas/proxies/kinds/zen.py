"""Zen-score (Lin et al. 2021): how much Gaussian networks of this architecture vary."""

from __future__ import annotations

from math import log

import torch

from nas.proxies.layers import NORM
from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy

STEP = 0.01


@proxy(
    "zen",
    paper="Lin et al. 2021 (Zen-NAS), arXiv 2102.01063",
    needs=["data", "norm"],
    cost="2",
    failure="sums over layers: it favours depth; without norms it lacks their share",
)
def zen(probe: Probe) -> float:
    """log |f(x + 0.01 e) - f(x)| + Σ over norms of log of their standard deviation.

    f is the feature map before the pooling; weights, x and e are drawn from N(0, 1).
    """
    if not probe.blocks:
        raise UndefinedScore("the network has no convolution")
    generator = probe.generator(5)
    weights = {
        name: torch.randn(w.shape, generator=generator) if w.dim() > 1 else w.detach()
        for name, w in probe.weights.items()
    }
    x = torch.randn(probe.batch.shape, generator=generator)
    e = torch.randn(probe.batch.shape, generator=generator)
    with torch.no_grad():
        trace, moved = probe.watch(weights, x), probe.watch(weights, x + STEP * e)
    last = probe.blocks[-1]
    change = (moved.values[last] - trace.values[last]).abs().mean().item()
    scale = 0.0
    for layer in trace.layers:
        if layer.op == NORM:
            maps = trace.values[layer.inputs[0]]
            variance = maps.transpose(0, 1).flatten(1).var(1, correction=0).mean().item()
            scale += log(variance) / 2 if variance > 0 else 0.0
    if not change > 0:
        raise UndefinedScore("the features do not depend on the image")
    return log(change) + scale
