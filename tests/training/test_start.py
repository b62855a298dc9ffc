"""Trainings that begin with trained weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from commands import Run
from safetensors.torch import save_file

from nas.architecture import Architecture, with_classes
from nas.blocks import Block
from nas.data import load_data
from nas.formats.verified import initialised
from nas.support.errors import NasError
from nas.training import Recipe, train
from nas.training.start import start_from

NET = Architecture(
    8,
    (Block("conv", out=4),),
    ((Block("inverted", out=4, hidden=8),),),
    (Block("gap"), Block("linear", out=10)),
    channels=1,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(initialised(with_classes(NET, 7), seed=5).state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_a_new_classifier_is_trained_on_a_body_that_stays(file: Path, tmp_path: Path) -> None:
    data = load_data("digits")
    recipe = Recipe(epochs=1, images=64, ema=0, body_rate=0)
    start = start_from(file, NET, recipe.seed)
    trained = train(NET, data, recipe, output=tmp_path / "t", device="cpu", start=start)
    body = dict(initialised(with_classes(NET, 7), seed=5).named_parameters())
    fresh = dict(start.module().named_parameters())
    for name, p in trained.module.named_parameters():
        if name.startswith("head"):
            assert not torch.equal(p, fresh[name])
        else:
            torch.testing.assert_close(p, body[name])
    with pytest.raises(NasError, match="holds a training with another start"):
        train(NET, data, recipe, output=tmp_path / "t", device="cpu")


def test_the_command_begins_with_weights(file: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "net.json").write_text(NET.to_json())
    (tmp_path / "recipe.yaml").write_text("{epochs: 1, images: 64, lr: 0.01}")
    words = ["train", "net.json", "--data", "digits", "-o", "t"]
    code, out, err = run(*words, "--recipe", "recipe.yaml", "--weights", str(file))
    assert code == 0, err
    assert "accuracy on the 359 validation images" in out
    code, _, err = run(*words[:-1], "u", "--weights", "none.pth")
    assert code == 2
    assert "none.pth: No such file" in err
