"""Rank of feature maps (HRank, Lin et al. 2020)."""

from __future__ import annotations

import torch

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject

IMAGES = 64  # the rank hardly changes with the images (figure 2 of the paper)


@criterion(
    "hrank",
    source="Lin et al. 2020, HRank, CVPR, arXiv 2002.10179",
    needs=["weights", "images"],
    cost="1, and a singular value decomposition of every map",
    failure="small maps all have full rank, a map of one pixel always rank 1",
)
def hrank(subject: Subject) -> Scores:
    """The mean over images of the rank of a channel's feature map."""
    ranks = subject.outputs(lambda x: torch.linalg.matrix_rank(x).float(), most=IMAGES)
    return {name: rank.double().mean(0).numpy() for name, rank in ranks.items()}
