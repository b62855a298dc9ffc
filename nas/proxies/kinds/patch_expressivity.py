"""Patch expressivity: how many dimensions the 2x2 patches of the last features fill."""

from __future__ import annotations

import torch.nn.functional as F

from nas.proxies.kinds.expressivity import entropy
from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy

PATCH = 2
COARSEST = 16  # the image's side over the map's; coarser maps have too few patches


@proxy(
    "patch_expressivity",
    paper="this project; after Lee and Ham 2024 (AZ-NAS), arXiv 2403.19232",
    needs=["data"],
    cost="1",
    failure="cannot exceed the log of the number of patches: give it small images in numbers",
)
def patch_expressivity(probe: Probe) -> float:
    """The entropy of the principal components of 2x2 patches of the last map of at least 1/16 of
    the image's size.

    Patches are taken because pooling and 1x1 convolutions leave neighbouring pixels alike, which
    the components of single pixels do not show. One map is taken because a sum over blocks rewards
    depth.
    """
    least = max(PATCH, min(probe.batch.shape[2:]) / COARSEST)
    maps = [probe.trace.values[i] for i in probe.blocks]
    large = [m for m in maps if min(m.shape[2:]) >= least]
    if not large:
        raise UndefinedScore(f"no feature map between blocks has {least:.0f} pixels a side")
    patches = F.unfold(large[-1], PATCH)  # (N, C · 4, patches)
    return entropy(patches[..., None])
