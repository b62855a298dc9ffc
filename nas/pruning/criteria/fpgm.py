"""Distance from a layer's geometric median (FPGM, He et al. 2019)."""

from __future__ import annotations

import torch

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject

# The faster way by matrix products gives equal filters a distance.
EXACT = "donot_use_mm_for_euclid_dist"


@criterion(
    "fpgm",
    source="He et al. 2019, Filter Pruning via Geometric Median, arXiv 1811.00250",
    needs=["weights"],
    cost="0",
    failure="keeps a filter for being unlike the others, though it be useless",
)
def fpgm(subject: Subject) -> Scores:
    """The sum of the Euclidean distances of a filter from the layer's others."""
    scores = {}
    for name, layer in subject.layers.items():
        filters = layer.weight.double().flatten(1)
        scores[name] = torch.cdist(filters, filters, compute_mode=EXACT).sum(1).numpy()
    return scores
