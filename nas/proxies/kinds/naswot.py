"""NASWOT (Mellor et al. 2021): how differently the activations respond to different images."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.proxies.layers import ACTIVATION
from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy

RELATIVE_FLOOR = 1e-12


def codes(probe: Probe) -> Tensor:
    """The signs of the activations' inputs: (N, units), True where one is positive.

    Errors: `UndefinedScore` where the network has no activation.
    """
    layers, values = probe.trace.layers, probe.trace.values
    signs = [(values[layer.inputs[0]] > 0).flatten(1) for layer in layers if layer.op == ACTIVATION]
    if not signs:
        raise UndefinedScore("the network has no activations")
    return torch.cat(signs, dim=1)


@proxy(
    "naswot",
    paper="Mellor et al. 2021, arXiv 2006.04647",
    needs=["data"],
    cost="1",
    failure="counts units: it ranks by size, and fails in spaces of equal sizes",
)
def naswot(probe: Probe) -> float:
    """log det of the matrix of how many units respond alike to two images."""
    signs = 2.0 * codes(probe) - 1
    units = signs.shape[1]
    alike = (units + (signs @ signs.T).double()) / 2
    values = torch.linalg.eigvalsh(alike)
    return float(values.clamp(min=RELATIVE_FLOOR * units).log().sum())
