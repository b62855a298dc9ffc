"""Low activity: the mean magnitude of a channel's activations."""

from __future__ import annotations

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject


@criterion(
    "activity",
    source="the mean activation of Molchanov et al. 2017, arXiv 1611.06440",
    needs=["weights", "images"],
    cost="1",
    failure="a channel that is always equally active is only a bias to what follows",
)
def activity(subject: Subject) -> Scores:
    """The mean absolute activation of a channel."""
    active = subject.outputs(lambda x: x.abs().flatten(2).mean(2))
    return {name: mean.double().mean(0).numpy() for name, mean in active.items()}
