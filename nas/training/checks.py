"""What is checked before a training begins or goes on, and what it ends by."""

from __future__ import annotations

import os
from pathlib import Path

from nas.architecture import Architecture, check_architecture
from nas.data.dataset import DataSet
from nas.data.tree import check_no_images
from nas.support.errors import NasError, check_type
from nas.training.checkpoint import MODEL, WEIGHTS, State
from nas.training.trained import check_sizes


class Untrainable(NasError):
    """The network cannot be trained by this recipe on these data."""


def diverged(epoch: int) -> Untrainable:
    """The error for a loss that is no number."""
    return Untrainable(f"training diverged in epoch {epoch}: lower the recipe's lr")


def check_no_model(folder: Path) -> None:
    """Checks that a folder without a training holds no model of somebody's, which the training
    would replace, and no images, which would be left out of data. Errors: `NasError` naming what
    it is."""
    check_no_images(folder)
    for name in (WEIGHTS, MODEL):
        if os.path.lexists(folder / name):
            raise NasError(
                f"{folder} holds a {name} that is of no training there: choose another folder"
            )


def check_fit(arch: Architecture, data: DataSet) -> None:
    """Checks that the network's classes and channels are those of the data. Errors: `NasError`,
    also for what is no network or no data set."""
    check_architecture(arch, "training")
    check_type(data, "data", "a data set, as nas.data.load_data gives", DataSet)
    check_sizes("the network", arch.classes, arch.channels, data)


def same_training(kept: State, wanted: State, output: Path) -> State:
    """The state on disk. Errors: `NasError` where it is of another training than `wanted`.

    The content of data decides, not where they are: where they are now, and how they are read
    there, is what is kept.
    """
    same = {
        "recipe": kept.recipe == wanted.recipe,
        "data": kept.data.checksum == wanted.data.checksum,
        "architecture": kept.architecture == wanted.architecture,
        "teacher": kept.teacher == wanted.teacher,
        "start": kept.start == wanted.start,
    }
    for what, is_same in same.items():
        if not is_same:
            raise NasError(
                f"{output} holds a training with another {what}: give the same one to go on, or "
                "another folder"
            )
    now = {"source": wanted.data.source, "options": wanted.data.options}
    moved = kept.data.model_copy(update=now)
    return kept.model_copy(update={"data": moved})
