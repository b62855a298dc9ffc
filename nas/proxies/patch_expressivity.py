"""Patch expressivity: how many dimensions the 2x2 patches of the last features fill."""

from __future__ import annotations

import torch.nn.functional as F

from nas.proxies.expressivity import entropy
from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy

PATCH = 2
SIDE = 4  # a map of fewer pixels has too few patches


@proxy(
    "patch_expressivity",
    paper="this project; after Lee and Ham 2024 (AZ-NAS), arXiv 2403.19232",
    needs=["data"],
    cost="1",
    failure="cannot exceed the log of the number of patches: give it small images in numbers",
)
def patch_expressivity(probe: Probe) -> float:
    """The entropy of the principal components of 2x2 patches of the last map of 4x4 pixels or more.

    Patches, because pooling and 1x1 convolutions leave neighbouring pixels alike, which the
    components of single pixels do not show. One map, because a sum over blocks rewards depth.
    """
    maps = [probe.trace.values[i] for i in probe.blocks]
    large = [m for m in maps if min(m.shape[2:]) >= SIDE]
    if not large:
        raise UndefinedScore(f"no feature map between blocks has {SIDE}x{SIDE} pixels")
    patches = F.unfold(large[-1], PATCH)  # (N, C · 4, patches)
    return entropy(patches[..., None])
