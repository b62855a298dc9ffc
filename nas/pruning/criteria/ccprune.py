"""Weights times norm scale (CCPrune, Chen et al. 2021)."""

from __future__ import annotations

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject


@criterion(
    "ccprune",
    source="after Chen et al. 2021, CCPrune, Neurocomputing 451",
    needs=["weights"],
    cost="0",
    failure="blind to the norm's variance, which undoes the filter's scale",
)
def ccprune(subject: Subject) -> Scores:
    """The L1 norm of a filter times |γ| of its norm, both over the layer's largest."""
    scores = {}
    for name, layer in subject.layers.items():
        weights = layer.weight.double().abs().sum((1, 2))
        scales = subject.norm_scales[name]
        scores[name] = (weights / weights.max() * scales / scales.max()).nan_to_num().numpy()
    return scores
