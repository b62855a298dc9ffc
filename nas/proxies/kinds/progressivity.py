"""Progressivity of AZ-NAS (Lee and Ham 2024): no block may lose dimensions."""

from __future__ import annotations

from itertools import pairwise

from nas.proxies.kinds.expressivity import entropies
from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy


@proxy(
    "progressivity",
    paper="Lee and Ham 2024 (AZ-NAS), arXiv 2403.19232",
    needs=["data"],
    cost="1",
    failure="one block decides it; undefined below two blocks",
)
def progressivity(probe: Probe) -> float:
    """The least gain of expressivity from one block to the next."""
    by_block = entropies(probe)
    if len(by_block) < 2:
        raise UndefinedScore("the network has fewer than two blocks")
    return min(b - a for a, b in pairwise(by_block))
