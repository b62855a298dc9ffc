"""The registry of pruning criteria: the importance of channels, higher means keep.

    @criterion("l1", source="Li et al. 2017, arXiv 1608.08710", needs=["weights"])
    def l1(subject: Subject) -> Scores: ...

One criterion a file; every module of the package is loaded. A criterion that is undefined for a
network raises `NasError` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch

from nas.pruning.subject import Subject
from nas.support.errors import NasError, mistakes_of, one_of, shown
from nas.support.plain_torch import plain_torch
from nas.support.registry import Registry

Need = Literal["weights", "images", "labels", "gradients", "training"]
NEEDS: tuple[Need, ...] = get_args(Need)
# By the name of each conv and linear node of `Architecture.graph()`: float64, one number for each
# of its output channels.
Scores = dict[str, npt.NDArray[np.float64]]


class Criterion(NamedTuple):
    """A registered criterion.

    source: the paper. needs: what it reads; "training" changes copies of weights or adds some.
    cost: in forward passes of the subject's images (a backward pass is two). failure: when not to
    trust it.
    """

    name: str
    source: str
    function: Callable[[Subject], Scores]
    needs: tuple[Need, ...]
    cost: str = ""
    failure: str = ""


CRITERIA: Registry[Criterion] = Registry("criterion")


def criterion(
    name: str,
    *,
    source: str,
    needs: Sequence[Need],
    cost: str = "",
    failure: str = "",
) -> Callable[[Callable[[Subject], Scores]], Criterion]:
    """Registers a criterion's function under `name`; see `Criterion` for the rest.

    Errors: `NasError` where the name is taken or a need is none of `NEEDS`.
    """
    for need in needs:
        if need not in NEEDS:
            raise one_of(f"criterion '{name}': need", need, NEEDS)

    def register(function: Callable[[Subject], Scores]) -> Criterion:
        entry = Criterion(name, source, function, tuple(needs), cost, failure)
        return CRITERIA.register(name, entry, function.__module__)

    return register


@plain_torch()
def importances(name: str, subject: Subject) -> Scores:
    """The scores that a criterion gives every conv and linear node of a subject, checked.

    Errors: `NasError` for an unknown criterion, a network whose outputs are no finite numbers, and
    a criterion that leaves out a node or gives other than one finite number a channel.
    """
    function = CRITERIA[name].function
    with torch.no_grad():
        if not subject.module(subject.images[: subject.batch]).isfinite().all():
            raise NasError(f"criterion '{name}': the network's outputs are no finite numbers")
    with mistakes_of(f"criterion '{name}'", function):
        given = function(subject)
        if not isinstance(given, dict):
            raise NasError(f"criterion '{name}' must give a dict of scores, not {shown(given)}")
        scores = {node: np.asarray(values, np.float64) for node, values in given.items()}
    for node, layer in subject.layers.items():
        values = scores.get(node)
        channels = layer.node.shape[0]
        if values is None or np.shape(values) != (channels,):
            shape = "none" if values is None else f"shape {np.shape(values)}"
            raise NasError(f"criterion '{name}': {node} needs {channels} scores, not {shape}")
        if not np.isfinite(values).all():
            raise NasError(f"criterion '{name}': {node} has scores that are not finite")
    return {node: scores[node] for node in subject.layers}
