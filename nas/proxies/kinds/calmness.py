"""Calmness: small gradients at initialisation."""

from __future__ import annotations

from math import log

from nas.proxies.kinds.grad_norm import grad_norm
from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy


@proxy(
    "calmness",
    paper="this project; the opposite of Abdelfattah et al. 2021, arXiv 2101.08134",
    needs=["data", "labels", "backward"],
    cost="3",
    failure="favours shallow networks and small ones; for short trainings, beside proxies of size",
)
def calmness(probe: Probe) -> float:
    """-log of the gradient norm; networks whose gradients grow with depth learn slowly."""
    norm = grad_norm.function(probe)
    if not norm > 0:
        raise UndefinedScore("no gradient reaches a weight")
    return -log(norm)
