"""Published networks scaled by hand to small images and a budget: what a search has to beat.

from scaled_networks import scaled
"""

from __future__ import annotations

from functools import cache

from nas import Architecture, cost
from nas.references.adapted import adapted

WIDTHS = [i / 200 for i in range(20, 301)]  # multipliers that are tried
NARROWEST = 0.25  # below that multiplier the stem strides, too: the better use of few operations


def scaled(name: str, mmacs: float, half: bool = False) -> Architecture:
    """The published network for 28-pixel one-channel images with about `mmacs` multiply-adds."""
    for stem_stride in (1, 2):
        tried = _tried(name, half, stem_stride)
        width, arch = min(tried, key=lambda pair: abs(cost(pair[1]).macs / 1e6 - mmacs))
        if width >= NARROWEST:
            break
    return arch


@cache
def _tried(name: str, half: bool, stem_stride: int) -> list[tuple[float, Architecture]]:
    return [(w, adapted(name, w, half=half, stem_stride=stem_stride)) for w in WIDTHS]
