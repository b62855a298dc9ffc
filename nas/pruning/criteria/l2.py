"""L2 norm of filters (after Li et al. 2017)."""

from __future__ import annotations

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject


@criterion(
    "l2",
    source="after Li et al. 2017, arXiv 1608.08710",
    needs=["weights"],
    cost="0",
    failure="as l1",
)
def l2(subject: Subject) -> Scores:
    """The Euclidean norm of each filter."""
    return {
        name: layer.weight.double().norm(dim=(1, 2)).numpy()
        for name, layer in subject.layers.items()
    }
