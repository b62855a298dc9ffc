"""Gradient norm (Abdelfattah et al. 2021)."""

from __future__ import annotations

from nas.proxies.probe import Probe
from nas.proxies.registry import proxy


@proxy(
    "grad_norm",
    paper="Abdelfattah et al. 2021, arXiv 2101.08134",
    needs=["data", "labels", "backward"],
    cost="3",
    failure="large where gradients explode",
)
def grad_norm(probe: Probe) -> float:
    """Sum over layers of the norm of their weights' gradient."""
    return float(sum(g.norm() for g in probe.gradients[0].values()))
