"""What a training leaves on disk is what it goes on with, and damage is said in a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nas.data import load_data
from nas.support.errors import NasError
from nas.training import Recipe
from nas.training.checkpoint import (
    DataFacts,
    Epoch,
    Parts,
    State,
    read_state,
    restore,
    write_checkpoint,
    write_state,
    write_weights,
)

EPOCH = Epoch(
    epoch=1, loss=1.5, accuracy=0.25, validation_loss=1.0, validation_accuracy=0.5, seconds=2.0
)
EPOCHS = (EPOCH, EPOCH.model_copy(update={"epoch": 2}))


def parts(seed: int, *, averaged: bool = True, width: int = 4) -> Parts:
    torch.manual_seed(seed)
    module, average = (
        nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width)) for _ in range(2)
    )
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.01)
    module(torch.randn(2, 1, 5, 5)).square().sum().backward()
    optimiser.step()
    return Parts(module, average if averaged else module, optimiser)


def numbers(held: Parts) -> dict[str, Tensor]:
    """All that the next epoch begins with, copied."""
    found = {f"m.{k}": v for k, v in held.module.state_dict().items()}
    found |= {f"a.{k}": v for k, v in held.average.state_dict().items()}
    for i, values in held.optimiser.state_dict()["state"].items():
        found |= {f"o.{i}.{k}": torch.as_tensor(v) for k, v in values.items()}
    return {key: value.clone() for key, value in found.items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def facts() -> DataFacts:
    return DataFacts.of(load_data("digits"))


@pytest.fixture
def begun(facts: DataFacts) -> State:
    return State(architecture={}, recipe=Recipe(epochs=2), data=facts, device="cpu")


@pytest.fixture
def state(begun: State) -> State:
    """After the first epoch, before its checkpoint."""
    return begun.model_copy(update={"history": (EPOCH,)})


def test_the_facts_are_those_of_the_data(facts: DataFacts) -> None:
    data = load_data("digits")
    assert (facts.source, facts.seed, facts.checksum) == (data.source, data.seed, data.checksum)
    assert facts.classes == data.classes == tuple("0123456789")
    pixels = np.asarray(data.train.pixels) / 255
    assert facts.mean == pytest.approx([pixels.mean()], rel=1e-6)
    assert facts.deviation == pytest.approx([pixels.std()], rel=1e-3)


@pytest.mark.parametrize("averaged", [True, False])
def test_a_checkpoint_restores_every_number(averaged: bool, state: State, tmp_path: Path) -> None:
    one, other = parts(1, averaged=averaged), parts(2, averaged=averaged)
    before = numbers(one)
    assert not same(numbers(other), before)
    written = write_checkpoint(tmp_path, state, one)
    assert written == state.model_copy(update={"tensors": "epoch-1.safetensors"})
    assert read_state(tmp_path) == written
    restore(tmp_path, read_state(tmp_path), other)
    assert same(numbers(other), before)
    assert same(numbers(one), before)
    kept = load_file(tmp_path / "epoch-1.safetensors")
    assert any(key.startswith("ema.") for key in kept) == averaged


def test_a_state_without_tensors_restores_nothing(begun: State, tmp_path: Path) -> None:
    held = parts(1)
    before = numbers(held)
    restore(tmp_path, begun, held)
    assert same(numbers(held), before)


def test_only_the_last_epoch_is_kept_and_what_is_not_ours_is_left_alone(
    state: State, tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("mine")
    first = write_checkpoint(tmp_path, state, parts(1))
    again = write_checkpoint(tmp_path, first, parts(2))  # a training that went on repeats an epoch
    assert again.tensors == "epoch-1.safetensors"
    assert (tmp_path / "epoch-1.safetensors").exists()
    (tmp_path / "epoch-7.safetensors").write_bytes(b"of a run that was killed as it removed it")
    (tmp_path / "epoch-7b.safetensors").write_bytes(b"mine")
    second = again.model_copy(update={"history": EPOCHS})
    held = parts(3)
    assert write_checkpoint(tmp_path, second, held).tensors == "epoch-2.safetensors"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "epoch-2.safetensors", "epoch-7b.safetensors", "note.txt", "training.json",
    ]  # fmt: skip
    restored = parts(4)
    restore(tmp_path, read_state(tmp_path), restored)
    assert same(numbers(restored), numbers(held))


def test_an_older_file_that_is_gone_is_no_hindrance(state: State, tmp_path: Path) -> None:
    first = write_checkpoint(tmp_path, state, parts(1))
    (tmp_path / "epoch-1.safetensors").unlink()
    second = first.model_copy(update={"history": EPOCHS})
    assert write_checkpoint(tmp_path, second, parts(1)).tensors == "epoch-2.safetensors"


def test_a_state_reads_as_it_was_written(begun: State, tmp_path: Path) -> None:
    assert (begun.finished, begun.tensors, begun.test_accuracy, begun.test_loss) == (
        False, None, None, None,
    )  # fmt: skip
    write_state(tmp_path, begun)
    assert read_state(tmp_path) == begun
    end = {"history": EPOCHS, "finished": True, "test_accuracy": 0.5, "test_loss": 1.25}
    done = begun.model_copy(update=end)
    write_state(tmp_path, done)
    assert read_state(tmp_path) == done
    assert len((tmp_path / "training.json").read_text().splitlines()) > 10  # for people too


def test_the_weights_are_the_module_s(tmp_path: Path) -> None:
    module = parts(1).module
    write_weights(tmp_path, module)
    assert same(load_file(tmp_path / "model.safetensors"), module.state_dict())


def test_damage_is_said_in_a_line(state: State, tmp_path: Path) -> None:
    with pytest.raises(NasError, match="No such file"):
        read_state(tmp_path)
    written = write_checkpoint(tmp_path, state, parts(1))
    path = tmp_path / "epoch-1.safetensors"
    whole = path.read_bytes()
    with pytest.raises(
        NasError, match=r"epoch-1\.safetensors: not this network's: .{20}"
    ) as caught:
        restore(tmp_path, written, parts(1, width=5))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 250
    path.write_bytes(whole[:50])
    with pytest.raises(NasError, match=r"epoch-1\.safetensors: damaged: "):
        restore(tmp_path, written, parts(1))
    path.unlink()
    with pytest.raises(NasError, match=r"epoch-1\.safetensors: No such file or directory"):
        restore(tmp_path, written, parts(1))
    (tmp_path / "training.json").write_text('{"device": "cpu"}')
    with pytest.raises(NasError, match=r"training\.json: architecture"):
        read_state(tmp_path)


@pytest.mark.parametrize("key", ["optimiser.x.step", "optimiser.step"])
def test_a_checkpoint_of_another_optimiser_is_refused(
    key: str, state: State, tmp_path: Path
) -> None:
    written = write_checkpoint(tmp_path, state, parts(1))
    path = tmp_path / "epoch-1.safetensors"
    save_file({**load_file(path), key: torch.zeros(())}, path)
    with pytest.raises(NasError, match="not this network's"):
        restore(tmp_path, written, parts(2))
