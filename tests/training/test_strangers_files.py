"""A training that somebody else sent: it reads and removes nothing outside of its folder."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from tiny import TINY

import nas
from nas.architecture import Architecture
from nas.data import DataSet, load_data
from nas.support.errors import NasError
from nas.training import Recipe, Trained, train
from nas.training.checkpoint import read_state

RECIPE = Recipe(epochs=2, batch_size=32, images=64)


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load_data("digits")


@pytest.fixture(scope="module")
def arch() -> Architecture:
    return nas.SearchSpace.from_dict({**TINY, "channels": 1, "resolution": [8]}).sample(1)


@pytest.fixture(scope="module")
def half_done(arch: Architecture, data: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was stopped after its first epoch."""
    folder = tmp_path_factory.mktemp("trained") / "t"

    def stop(progress: Any) -> None:
        if progress.last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(arch, data, RECIPE, output=folder, device="cpu", progress=stop)
    assert read_state(folder).tensors == "epoch-1.safetensors"
    return folder


@pytest.fixture
def folder(half_done: Path, tmp_path: Path) -> Path:
    """A copy of it; beside it is the victim, a checkpoint that would do."""
    copied = Path(copytree(half_done, tmp_path / "t"))
    (tmp_path / "epoch-9.safetensors").write_bytes((copied / "epoch-1.safetensors").read_bytes())
    return copied


def changed(folder: Path, **changes: Any) -> None:
    path = folder / "training.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refused(arch: Architecture, data: DataSet, folder: Path, said: str) -> None:
    before = {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}
    with pytest.raises(NasError, match=said) as raised:
        train(arch, data, RECIPE, output=folder, device="cpu")
    assert "\n" not in str(raised.value)
    assert before == {p: p.read_bytes() for p in folder.parent.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "name",
    ["../epoch-9.safetensors", "/abs/epoch-9.safetensors", "training.json", "epoch-1", "", "a\0b",
     "epoch-1.safetensors\n", "epoch-01.safetensors", "./epoch-1.safetensors"],
)  # fmt: skip
def test_a_checkpoint_is_named_as_it_is_written(
    arch: Architecture, data: DataSet, folder: Path, name: str
) -> None:
    changed(folder, tensors=name.replace("/abs", str(folder.parent)))
    refused(arch, data, folder, "training.json: tensors: ")


def test_a_link_to_a_checkpoint_elsewhere_is_not_read(
    arch: Architecture, data: DataSet, folder: Path
) -> None:
    (folder / "epoch-1.safetensors").unlink()
    (folder / "epoch-1.safetensors").symlink_to("../epoch-9.safetensors")
    refused(arch, data, folder, "epoch-1.safetensors is a link that leads out of its folder")


def test_the_other_files_are_no_links_either(
    arch: Architecture, data: DataSet, folder: Path
) -> None:
    train(arch, data, RECIPE, output=folder, device="cpu")
    for name in ("model.safetensors", "training.json"):
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)
        with pytest.raises(NasError, match=f"{name} is a link that leads out"):
            Trained.load(folder)
        (folder / name).unlink()
        (folder.parent / name).rename(folder / name)
    assert Trained.load(folder).accuracy > 0
    assert (folder.parent / "epoch-9.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tensors": None}, "tensors: must name a file"),
        ({"history": []}, "tensors: must name a file"),
        ({"finished": True}, "history: has 1 of 2 epochs"),
        ({"finished": True, "history": [], "tensors": None}, "history: has 0 of 2 epochs"),
        ({"history": "x"}, "history: "),
        ({"recipe": None}, "recipe: "),
    ],
)
def test_what_does_not_go_together_is_one_line(
    arch: Architecture, data: DataSet, folder: Path, changes: dict[str, Any], said: str
) -> None:
    changed(folder, **changes)
    refused(arch, data, folder, said)
