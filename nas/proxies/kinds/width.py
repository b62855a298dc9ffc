"""Mean log hidden width."""

from __future__ import annotations

from math import log

from nas.proxies.layers import convolutions
from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy


@proxy("width", paper="a baseline", cost="none", failure="blind to depth")
def width(probe: Probe) -> float:
    """Mean over spatial convolutions (kernel above 1) of log channels."""
    spatial = [layer for layer in convolutions(probe.layers) if max(layer.weight[2:]) > 1]
    if not spatial:
        raise UndefinedScore("the network has no spatial convolution")
    return sum(log(layer.shape[0]) for layer in spatial) / len(spatial)
