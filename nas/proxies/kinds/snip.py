"""SNIP (Lee et al. 2019) summed over a network, as Abdelfattah et al. 2021 do."""

from __future__ import annotations

from nas.proxies.probe import Probe
from nas.proxies.registry import proxy


@proxy(
    "snip",
    paper="Lee et al. 2019, arXiv 1810.02340",
    needs=["data", "labels", "backward"],
    cost="3",
    failure="large where gradients explode",
)
def snip(probe: Probe) -> float:
    """Sum over weights of |w · dL/dw|."""
    gradients, _ = probe.gradients
    pairs = ((probe.weights[name].detach(), g) for name, g in gradients.items())
    return sum((w * g).abs().sum().item() for w, g in pairs)
