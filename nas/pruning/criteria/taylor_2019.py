"""Taylor expansion by gates (Molchanov et al. 2019)."""

from __future__ import annotations

import torch

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject

IMAGES = 16  # of a batch


@criterion(
    "taylor_2019",
    source="Molchanov et al. 2019, Importance Estimation for Pruning, CVPR, arXiv 1906.10771",
    needs=["weights", "images", "labels", "gradients"],
    cost="3",
    failure="first order: blind to a channel in whose gate the loss has a minimum",
)
def taylor_2019(subject: Subject) -> Scores:
    """The mean over batches of the squared derivative of the mean loss by a gate on the channel."""
    scores = {}
    for name, products in subject.gate_gradients.items():
        batches = [part.double().mean(0) for part in products.split(IMAGES)]
        scores[name] = torch.stack(batches).square().mean(0).numpy()
    return scores
