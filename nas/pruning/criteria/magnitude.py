"""Magnitude over the whole network, each layer by its own scale."""

from __future__ import annotations

import numpy as np

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject


@criterion(
    "magnitude",
    source="mean |w| a filter over the layer's L2 norm of them, as Molchanov et al. 2017 normalise",
    needs=["weights"],
    cost="0",
    failure="a layer whose filters are alike is spared or removed as a whole",
)
def magnitude(subject: Subject) -> Scores:
    """The mean absolute weight of each filter, over the root mean square of the layer's filters."""
    scores = {}
    for name, layer in subject.layers.items():
        means = layer.weight.double().abs().mean((1, 2)).numpy()
        scale = float(np.sqrt(np.mean(means**2)))
        scores[name] = means / scale if scale else means
    return scores
