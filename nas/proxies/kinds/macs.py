"""The number of multiply-adds."""

from __future__ import annotations

from nas.proxies.probe import Probe
from nas.proxies.registry import proxy


@proxy("macs", paper="a baseline", cost="none", failure="blind within a budget")
def macs(probe: Probe) -> float:
    """Multiply-adds of convolutions and linear layers for one image."""
    return float(sum(layer.macs for layer in probe.layers))
