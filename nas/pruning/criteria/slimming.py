"""Network slimming: the scale of the norm behind a filter (Liu et al. 2017)."""

from __future__ import annotations

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject


@criterion(
    "slimming",
    source="Liu et al. 2017, Network Slimming, ICCV, arXiv 1708.06519",
    needs=["weights"],
    cost="0",
    failure="wants a training with the recipe's norm_sparsity; filters without a norm get their L2",
)
def slimming(subject: Subject) -> Scores:
    """|γ| of the norm that a channel goes into; a channel without a norm has its filter's norm."""
    return {name: scales.numpy() for name, scales in subject.norm_scales.items()}
