"""L1 norm of filters (Li et al. 2017)."""

from __future__ import annotations

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject


@criterion(
    "l1",
    source="Li et al. 2017, Pruning Filters for Efficient ConvNets, arXiv 1608.08710",
    needs=["weights"],
    cost="0",
    failure="a norm behind the filter undoes its scale; compares filters of one layer only",
)
def l1(subject: Subject) -> Scores:
    """The sum of the absolute weights of each filter."""
    return {
        name: layer.weight.double().abs().sum((1, 2)).numpy()
        for name, layer in subject.layers.items()
    }
