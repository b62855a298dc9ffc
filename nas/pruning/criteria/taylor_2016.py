"""First-order Taylor expansion of the loss by feature maps (Molchanov et al. 2017)."""

from __future__ import annotations

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject

TINY = 1e-300


@criterion(
    "taylor_2016",
    source="Molchanov et al. 2017, Pruning CNNs for Resource Efficient Inference, arXiv 1611.06440",
    needs=["weights", "images", "labels", "gradients"],
    cost="3",
    failure="vanishes with the loss of a network that fits its images well",
)
def taylor_2016(subject: Subject) -> Scores:
    """The mean over images of |mean over pixels of activation times gradient|, over the layer's L2
    norm of these."""
    scores = {}
    for name, products in subject.gate_gradients.items():
        means = products.double().abs().mean(0) / subject.layers[name].pixels
        scores[name] = (means / means.norm().clamp(min=TINY)).numpy()
    return scores
