"""A small trained network to prune."""

from __future__ import annotations

from pathlib import Path

from nas.architecture import Architecture
from nas.blocks import Block
from nas.data import DataSet, load_data
from nas.pruning.evaluate import Inheritance, weights_checksum
from nas.training import Recipe, train
from nas.training.checkpoint import WEIGHTS

RECIPE = Recipe(epochs=3, batch_size=32, lr=0.1)
ARCH = Architecture(
    8,
    (Block("conv", out=16),),
    (
        (Block("inverted", out=16, hidden=48), Block("inverted", out=16, hidden=48)),
        (Block("inverted", out=24, hidden=64, stride=2), Block("basic", out=24, hidden=24)),
    ),
    (Block("gap"), Block("linear", out=10)),
    channels=1,
)


def trained_parent(folder: Path) -> Path:
    """The folder of a finished training on `digits`."""
    train(ARCH, load_data("digits"), RECIPE, output=folder, device="cpu")
    return folder


def inheritance_of(arch: Architecture, folder: Path, data: DataSet) -> Inheritance:
    """How children of a network that was trained into a folder inherit from it."""
    weights = str(folder / WEIGHTS)
    return Inheritance(
        parent=arch.to_json(),
        weights=weights,
        checksum=weights_checksum(weights),
        data="digits",
        data_options=data.options.model_dump_json(),
        data_checksum=data.checksum,
        criterion="l1",
    )
