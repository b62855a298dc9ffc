"""Fisher (Theis et al. 2018; Turner et al. 2020) summed over a network's channels."""

from __future__ import annotations

from nas.proxies.probe import Probe
from nas.proxies.registry import proxy


@proxy(
    "fisher",
    paper="Turner et al. 2020 (BlockSwap), arXiv 1906.04113",
    needs=["data", "labels", "backward"],
    cost="3",
    failure="large where gradients explode; nearly 0 under a norm that undoes a channel's scale",
)
def fisher(probe: Probe) -> float:
    """Σ over conv channels of half the mean over images of (Σ over pixels a · dL/da)²."""
    _, gradients = probe.gradients
    total = 0.0
    for i, gradient in gradients.items():
        products = (probe.trace.values[i] * gradient).flatten(2).sum(2)
        total += products.square().mean(0).sum().item() / 2
    return total
