"""The network that `auto` prunes: a trained one's, or one that is yet to be transferred to the
data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.architecture import Architecture
from nas.auto.asked import Asked
from nas.budget import Budget
from nas.data import DataSet
from nas.data.fit import fit_architecture
from nas.latency import Target
from nas.networks import made_here
from nas.pruning.space import PruningSpace
from nas.resolution import read_resolution
from nas.study.networks import find_network
from nas.study.pruning import PruningCandidates
from nas.support.errors import NasError
from nas.training import Trained
from nas.training.checkpoint import is_training
from nas.training.run import Start
from nas.training.start import start_from
from nas.training.trained import check_classes

TRANSFERRED = "transfer"


@dataclass(frozen=True)
class Parent:
    """A network to prune and the folder of its training, which is yet to be trained from `start`
    where that is given."""

    arch: Architecture
    folder: Path
    start: Start | None = None


def find_parent(asked: Asked, data: DataSet, work: Path) -> Parent | None:
    """The network of `asked.parent`, with the data's classes; None where none is to be pruned.

    With `asked.weights` its training will be in the folder `work`. Errors: `NasError`, also for
    weights that are another network's.
    """
    if asked.parent is None:
        return None
    if asked.weights is None:
        if not is_training(asked.parent):
            raise NasError(
                f"--from {asked.parent}: it is no folder of a training: give that, or its weights "
                "with --weights FILE"
            )
        folder, trained = Path(asked.parent), Trained.load(Path(asked.parent))
        check_classes(f"training {folder}", trained.data.classes, data)
        return Parent(trained.arch.renamed(folder.resolve().name), folder)
    if is_training(asked.parent):
        raise NasError(f"--from {asked.parent} has weights of its training: leave --weights out")
    size = None if asked.resolution is None else read_resolution(asked.resolution)
    network = made_here(find_network(asked.parent, size)[0], "nas auto")
    arch = fit_architecture(network, data).renamed(network.name)
    start = start_from(Path(asked.weights), arch, asked.seed, asked.norm_eps)
    start.module()  # it fits, or says why not: not only when the training begins
    return Parent(arch, work / TRANSFERRED, start)


def check_reach(parent: Parent, target: Target, budgets: Sequence[Budget]) -> None:
    """Errors: `NasError` where pruning does not reach the budgets."""
    space = PruningSpace.of(parent.arch.renamed(""), f"children of {parent.arch.name}")
    PruningCandidates(space, target, budgets).check()
