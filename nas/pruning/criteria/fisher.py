"""Second-order sensitivity by the Fisher information (Theis et al. 2018)."""

from __future__ import annotations

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject


@criterion(
    "fisher",
    source="Theis et al. 2018, Faster gaze prediction with dense networks and Fisher pruning, "
    "arXiv 1801.05787",
    needs=["weights", "images", "labels", "gradients"],
    cost="3",
    failure="takes the diagonal of the Fisher matrix for the Hessian: of a trained network only",
)
def fisher(subject: Subject) -> Scores:
    """Half the mean over images of the squared derivative of the loss by a gate on the channel."""
    return {
        name: (products.double().square().mean(0) / 2).numpy()
        for name, products in subject.gate_gradients.items()
    }
