"""Average percentage of zeros (Hu et al. 2016)."""

from __future__ import annotations

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject


@criterion(
    "apoz",
    source="Hu et al. 2016, Network Trimming, arXiv 1607.03250",
    needs=["weights", "images"],
    cost="1",
    failure="all alike where an activation has no zeros (linear, h-swish, SiLU)",
)
def apoz(subject: Subject) -> Scores:
    """The share of a channel's activations that are not zero."""
    active = subject.outputs(lambda x: (x != 0).float().flatten(2).mean(2))
    return {name: share.double().mean(0).numpy() for name, share in active.items()}
