"""The files of a training, from which it goes on after being killed at any moment.

`training.json` names the file of the last finished epoch's tensors. The tensors are written first
and the older file is removed last, so the JSON always names a complete file. A folder may be
somebody else's: only names as they are written here are read and removed, in the folder itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from re import fullmatch
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self

from pydantic import Field, model_validator

from nas import plugins
from nas._version import __version__
from nas.architecture import Architecture
from nas.blocks import KINDS
from nas.data.dataset import DataSet
from nas.data.options import DataOptions
from nas.data.registry import READERS, find_reader
from nas.formats.tensors import read_tensors
from nas.plugins import PluginFile
from nas.support.errors import NasError, one_line
from nas.support.files import inside, read_text, write_whole
from nas.support.validation import Settings, validated
from nas.training.pace import pace
from nas.training.recipe import Recipe
from nas.training.scores import Scores

if TYPE_CHECKING:  # what a training is can be read without torch
    import torch
    from torch import Tensor, nn

STATE, WEIGHTS, MODEL = "training.json", "model.safetensors", "model.onnx"
CHECKPOINT = r"epoch-[1-9][0-9]{0,8}\.safetensors"


class Epoch(Settings):
    """The metrics of one epoch. `loss` (with smoothed labels) and `accuracy` are of the augmented
    training images, measured while training; those of validation are of the averaged weights, if
    the recipe averages."""

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


class DataFacts(Settings):
    """The facts about a training's data that a user of the network must know."""

    source: str
    seed: int
    options: DataOptions = DataOptions()
    checksum: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    values: tuple[float, float] | None = None

    @classmethod
    def of(cls, data: DataSet) -> DataFacts:
        """The facts about a data set."""
        mean, deviation = data.moments
        return cls(
            source=data.source,
            seed=data.seed,
            options=data.options,
            checksum=data.checksum,
            classes=data.classes,
            mean=mean,
            deviation=deviation,
            values=data.values,
        )


class State(Settings):
    """The contents of `training.json`. `tensors` names the file of the last finished epoch; it is
    None once the training is finished. `teacher` and `start` are the identities of the network that
    is learned from and of the weights that it began with, None where it has none. The test metrics
    are measured once, at the end, and so are the scores of the validation and the test images.
    `plugins` are the files that registered a block or the reader of the data."""

    architecture: dict[str, Any]
    recipe: Recipe
    data: DataFacts
    device: str
    teacher: str | None = None
    start: str | None = None
    history: tuple[Epoch, ...] = ()
    tensors: Annotated[str, Field(pattern=f"^{CHECKPOINT}$")] | None = None
    finished: bool = False
    test_accuracy: float | None = None
    test_loss: float | None = None
    validation_scores: Scores | None = None
    test_scores: Scores | None = None
    plugins: tuple[PluginFile, ...] = ()
    version: str = Field(default=__version__)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        done = len(self.history)
        if [epoch.epoch for epoch in self.history] != [*range(1, done + 1)]:
            raise ValueError("history: must have the epochs 1, 2, 3, …")
        if done > self.recipe.epochs or (self.finished and not is_over(self.recipe, self.history)):
            raise ValueError(f"history: has {done} of {self.recipe.epochs} epochs")
        if bool(done and not self.finished) != (self.tensors is not None):
            raise ValueError("tensors: must name a file between the first epoch and the last")
        return self


class Parts(NamedTuple):
    """The module in training, the module of averaged weights (or the same one), the optimiser; and
    the `best` weights so far where the recipe has patience."""

    module: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    best: dict[str, Tensor] | None = None


def kept_epoch(recipe: Recipe, history: Sequence[Epoch]) -> Epoch:
    """The epoch whose weights are kept: the last one, or with patience the one of the lowest
    validation loss."""
    return min(history, key=lambda e: e.validation_loss) if recipe.patience else history[-1]


def is_over(recipe: Recipe, history: Sequence[Epoch]) -> bool:
    """Whether a training is at its end, or ends for its patience."""
    if not pace(recipe, [epoch.seconds for epoch in history]).left:
        return True
    if recipe.patience is None or not history:
        return False
    return len(history) - kept_epoch(recipe, history).epoch >= recipe.patience


def is_training(folder: str | Path) -> bool:
    """Whether a folder is that of a training, finished or not."""
    return os.path.isfile(Path(folder) / STATE)  # false too for what cannot be a path


def read_state(folder: Path) -> State:
    """The state of the training in a folder, with its plugins loaded. Errors: `NasError` where it
    is missing or damaged, or where a plugin may not run."""
    path = inside(folder, STATE, f"training {folder}")
    state = validated(State, read_text(path, str(path)), str(path))
    plugins.restore(state.plugins, f"training {folder}")
    return state


def plugins_of(arch: Architecture, data: DataSet) -> tuple[PluginFile, ...]:
    """The loaded plugin files that a training of the network on the data needs."""
    kinds = {row.kind for row in arch.rows()}
    readers: list[str] = []
    with suppress(NasError):  # of data that were made in memory
        readers.append(find_reader(data.source).name)
    return plugins.providers((KINDS, kinds), (READERS, readers))


def write_state(folder: Path, state: State) -> None:
    """Writes `training.json`, whole or not at all."""
    write_whole(folder / STATE, state.model_dump_json(indent=1))


def write_checkpoint(folder: Path, state: State, parts: Parts) -> State:
    """Writes everything that the next epoch needs; returns the state that names the new file."""
    from safetensors.torch import save

    tensors = _flat("model", parts.module.state_dict())
    if parts.average is not parts.module:
        tensors |= _flat("ema", parts.average.state_dict())
    if parts.best is not None:
        tensors |= _flat("best", parts.best)
    for index, values in parts.optimiser.state_dict()["state"].items():
        tensors |= _flat(f"optimiser.{index}", values)
    name = f"epoch-{len(state.history)}.safetensors"
    write_whole(folder / name, save(tensors))
    state = state.model_copy(update={"tensors": name})
    write_state(folder, state)
    remove_checkpoints(folder, name)
    return state


def remove_checkpoints(folder: Path, kept: str | None = None) -> None:
    """Removes all checkpoints but the one that is `kept`: a killed run leaves its last but one."""
    for path in folder.iterdir():
        if fullmatch(CHECKPOINT, path.name) and path.name != kept:
            path.unlink(missing_ok=True)


def restore(folder: Path, state: State, parts: Parts) -> None:
    """Loads the checkpoint that the state names into the parts."""
    if state.tensors is None:
        return
    path = inside(folder, state.tensors, f"training {folder}")
    tensors = read_tensors(path)
    try:
        parts.module.load_state_dict(_part(tensors, "model"))
        if parts.average is not parts.module:
            parts.average.load_state_dict(_part(tensors, "ema"))
        if parts.best is not None:
            parts.best.update(_part(tensors, "best"))
        packed = parts.optimiser.state_dict()
        packed["state"] = {}
        for key, value in _part(tensors, "optimiser").items():
            index, name = key.split(".", 1)
            packed["state"].setdefault(int(index), {})[name] = value
        parts.optimiser.load_state_dict(packed)
    except (RuntimeError, ValueError, KeyError) as error:
        raise misfit(path, error) from None


def misfit(path: Path, error: Exception) -> NasError:
    """The error for a file whose tensors are not this network's."""
    return NasError(f"{path}: not this network's: {one_line(error)[:200]}")


def write_weights(folder: Path, module: nn.Module) -> None:
    """Writes the weights of the trained network as `model.safetensors`."""
    from safetensors.torch import save

    write_whole(folder / WEIGHTS, save(_flat("", module.state_dict())))


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, Tensor]:
    from torch import Tensor

    start = f"{prefix}." if prefix else ""
    return {
        start + key: value.detach().cpu().contiguous()
        for key, value in values.items()
        if isinstance(value, Tensor)
    }


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {key.removeprefix(start): v for key, v in tensors.items() if key.startswith(start)}
