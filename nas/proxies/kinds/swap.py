"""SWAP (Peng et al. 2024): the number of different sample-wise activation patterns."""

from __future__ import annotations

import numpy as np

from nas.proxies.kinds.naswot import codes
from nas.proxies.probe import Probe
from nas.proxies.registry import proxy


@proxy(
    "swap",
    paper="Peng et al. 2024 (SWAP-NAS), arXiv 2403.04161",
    needs=["data"],
    cost="1, and sorting all units",
    failure="saturates at 2^N patterns of N images; blind to parameters without activations",
)
def swap(probe: Probe) -> float:
    """The number of different patterns that the units' signs over the batch form."""
    packed = np.packbits(codes(probe.many).numpy(), axis=0)
    rows = np.ascontiguousarray(packed.T)
    return float(len(np.unique(rows.view(f"V{rows.shape[1]}"))))
