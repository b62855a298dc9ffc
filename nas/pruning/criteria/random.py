"""Random importances: the baseline (Li et al. 2022)."""

from __future__ import annotations

import torch

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject


@criterion(
    "random",
    source="Li et al. 2022, Revisiting Random Channel Pruning, CVPR, arXiv 2205.05676",
    needs=[],
    cost="0",
    failure="knows nothing: what every criterion has to beat",
)
def random(subject: Subject) -> Scores:
    """A number from 0 to 1 for each channel, drawn by the subject's seed."""
    generator = subject.generator(1)
    return {
        name: torch.rand(layer.node.shape[0], generator=generator, dtype=torch.float64).numpy()
        for name, layer in subject.layers.items()
    }
