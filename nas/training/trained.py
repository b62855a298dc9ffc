"""`Trained`: a trained network with its recipe, its data and its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.architecture import Architecture
from nas.data.dataset import DataSet
from nas.formats.tensors import read_tensors
from nas.support.errors import NasError
from nas.support.files import given_path, inside
from nas.support.plain_torch import plain_torch
from nas.torch_module import Network, build
from nas.training.accuracy import Metrics
from nas.training.checkpoint import (
    WEIGHTS,
    DataFacts,
    Epoch,
    State,
    kept_epoch,
    misfit,
    read_state,
)
from nas.training.recipe import Recipe
from nas.training.scores import Scores


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished training. `module` is on the CPU, in evaluation mode, with the final weights.

    The module's input is (image - `data.mean`) / `data.deviation`, for image values of 0 to 1.
    """

    arch: Architecture
    module: Network
    recipe: Recipe
    data: DataFacts
    history: tuple[Epoch, ...]
    test: Metrics | None
    validation_scores: Scores | None = None
    test_scores: Scores | None = None

    @property
    def kept(self) -> Epoch:
        """The epoch whose weights these are: the last one, unless the recipe has patience."""
        return kept_epoch(self.recipe, self.history)

    @property
    def accuracy(self) -> float:
        """The accuracy on the validation images of the final weights, from 0 to 1."""
        return self.kept.validation_accuracy

    @property
    def loss(self) -> float:
        """The mean cross entropy of the validation images with the final weights."""
        return self.kept.validation_loss

    @classmethod
    def of(cls, state: State, module: Network) -> Trained:
        """The finished training of a `state` and a module with its weights."""
        test = None
        if state.test_accuracy is not None and state.test_loss is not None:
            test = Metrics(state.test_accuracy, state.test_loss)
        arch = Architecture.from_dict(state.architecture)
        return cls(
            arch, module.cpu().eval(), state.recipe, state.data, state.history, test,
            state.validation_scores, state.test_scores,
        )  # fmt: skip

    @classmethod
    @plain_torch()
    def load(cls, folder: str | Path) -> Trained:
        """The finished training in a folder. Errors: `NasError`, also where it is unfinished."""
        folder = given_path(folder, "a training's folder")
        state = read_state(folder)
        if not state.finished:
            done, epochs = len(state.history), state.recipe.epochs
            most = "at most " if state.recipe.minutes else ""
            raise NasError(f"{folder}: {done} of {most}{epochs} epochs are trained: go on with it")
        module = build(Architecture.from_dict(state.architecture), seed=0)
        path = inside(folder, WEIGHTS, f"training {folder}")
        try:
            module.load_state_dict(read_tensors(path))
        except RuntimeError as error:
            raise misfit(path, error) from None
        return cls.of(state, module)


def check_sizes(whose: str, classes: int, channels: int, data: DataSet) -> None:
    """Checks that so many classes and channels are those of the data. Errors: `NasError`."""
    for what, own, of_data in (
        ("classes", classes, len(data.classes)),
        ("channels", channels, data.channels),
    ):
        if own != of_data:
            raise NasError(f"{whose} has {own} {what}, data set {data.source} has {of_data}")


def check_classes(what: str, classes: Sequence[str], data: DataSet) -> None:
    """Checks that a trained network's classes are those of the data. Errors: `NasError`, naming
    `what` it is and the first class that differs."""
    if tuple(classes) == data.classes:
        return
    if len(classes) != len(data.classes):
        counts = f"has {len(classes)} classes, data set {data.source} {len(data.classes)}"
        raise NasError(f"{what} {counts}")
    a, b = next(pair for pair in zip(classes, data.classes, strict=True) if pair[0] != pair[1])
    raise NasError(f"{what} is of other classes than {data.source}: {a!r:.60}, not {b!r:.60}")
