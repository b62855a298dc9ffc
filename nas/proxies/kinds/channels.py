"""The sum of convolution channels."""

from __future__ import annotations

from nas.proxies.layers import convolutions
from nas.proxies.probe import Probe
from nas.proxies.registry import proxy


@proxy("channels", paper="a baseline", cost="none", failure="grows with depth without end")
def channels(probe: Probe) -> float:
    """Sum over convolutions of their output channels."""
    return float(sum(layer.shape[0] for layer in convolutions(probe.layers)))
