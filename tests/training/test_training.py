"""Training: it learns, is deterministic, survives a kill, and exports what it measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from commands import Run
from tiny import TINY

import nas
from nas.architecture import Architecture
from nas.data import DataSet, load_data
from nas.formats.verified import export_onnx, initialised, unnamed_output
from nas.references import reference
from nas.support.errors import NasError
from nas.training import Recipe, Trained, TrainingProgress, train
from nas.training.batches import resized, shifted
from nas.training.export import export_trained
from nas.training.optimise import rate

RECIPE = Recipe(epochs=3, batch_size=32, lr=0.2)


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load_data("digits")


@pytest.fixture(scope="module")
def arch() -> Architecture:
    space = nas.SearchSpace.from_dict({**TINY, "channels": 1, "resolution": [12]})
    return space.sample(1)


@pytest.fixture(scope="module")
def folder(arch: Architecture, data: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training."""
    path = tmp_path_factory.mktemp("trained") / "t"
    train(arch, data, RECIPE, output=path, device="cpu")
    return path


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_it_learns_and_says_what_it_measured(folder: Path, data: DataSet) -> None:
    trained = Trained.load(folder)
    assert len(trained.history) == 3
    assert trained.accuracy > 0.6  # a tenth is chance
    (mean,), (deviation,) = data.moments
    images = torch.from_numpy(data.validation.pixels).float()
    images = torch.nn.functional.interpolate(images, (12, 12), mode="bilinear", antialias=True)
    with torch.no_grad():
        found = trained.module((images.round() / 255 - mean) / deviation).argmax(1).numpy()
    assert (found == data.validation.labels).mean() == pytest.approx(trained.accuracy, abs=0.003)
    assert {p.name for p in folder.iterdir()} == {"training.json", "model.safetensors"}


def test_a_killed_training_ends_with_the_same_bits(
    folder: Path, arch: Architecture, data: DataSet, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(arch.to_json())
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(RECIPE.model_dump()))
    words = ["train", "a.json", "--data", "digits", "--output", "t", "--recipe", "r.yaml"]
    words = [sys.executable, "-m", "nas", *words, "--device", "cpu"]
    child = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    state = tmp_path / "t" / "training.json"
    while child.poll() is None and not state.exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert not (tmp_path / "t" / "model.safetensors").exists()
    steps: list[int] = []
    done = train(
        arch, data, RECIPE, output=tmp_path / "t", device="cpu",
        progress=lambda p: steps.append(p.step),
    )  # fmt: skip
    assert steps[0] > len(data.train.labels) // 32  # the first epoch was not repeated
    assert weights(tmp_path / "t") == weights(folder)
    assert [e.validation_loss for e in done.history] == [
        e.validation_loss for e in Trained.load(folder).history
    ]


def test_ctrl_c_says_how_to_go_on(arch: Architecture, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(arch.to_json())
    words = ["train", "a.json", "--data", "digits", "--output", "t", "--epochs", "1000"]
    child = subprocess.Popen(
        [sys.executable, "-m", "nas", *words],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while child.poll() is None and not (tmp_path / "t" / "training.json").exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert f"every finished epoch is kept; go on: nas {' '.join(words)}" in out
    assert "Traceback" not in err


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_onnx_file_is_as_accurate(
    folder: Path, data: DataSet, tmp_path: Path, dynamic: bool
) -> None:
    trained, path = Trained.load(folder), tmp_path / "m.onnx"
    done = export_trained(trained, data, path, dynamic_batch=dynamic)
    session = onnxruntime.InferenceSession(path)
    facts = session.get_modelmeta().custom_metadata_map
    mean, deviation = (yaml.safe_load(facts[key])[0] for key in ("mean", "deviation"))
    pixels = resized(torch.from_numpy(data.validation.pixels), 12).numpy()
    images = ((pixels / 255 - mean) / deviation).astype(np.float32)
    found = np.concatenate([session.run(None, {"image": x[None]})[0] for x in images]).argmax(1)
    assert done.images == len(found)
    assert (found == data.validation.labels).mean() == pytest.approx(done.accuracy, abs=0.003)
    assert done.accuracy == pytest.approx(trained.accuracy, abs=0.003)
    with pytest.raises(NasError, match="has changed since the training"):
        export_trained(trained, load_data("digits", seed=5), path)


def test_another_training_is_not_overwritten(
    folder: Path, arch: Architecture, data: DataSet
) -> None:
    with pytest.raises(NasError, match="another recipe"):
        train(arch, data, RECIPE.changed(lr=0.3), output=folder)
    with pytest.raises(NasError, match="another data"):
        train(arch, load_data("digits", seed=5), RECIPE, output=folder)


def test_mistakes(arch: Architecture, data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(NasError, match="3 channels, data set digits has 1"):
        train(nas.SearchSpace.from_dict(TINY).sample(0), data)
    with pytest.raises(NasError, match="batch_size 2000: there are 1438"):
        train(arch, data, Recipe(batch_size=2000))
    (tmp_path / "file").touch()
    with pytest.raises(NasError, match="file is no folder"):
        train(arch, data, output=tmp_path / "file" / "folder")
    with pytest.raises(NasError, match="device 'gpu' cannot be used"):
        train(arch, data, device="gpu")
    (tmp_path / "r.yaml").write_text("epochs: 0")
    with pytest.raises(NasError, match=r"recipe .*r.yaml: epochs: .* 1, not 0"):
        Recipe.load(tmp_path / "r.yaml")


def test_the_rate_rises_and_falls_to_zero() -> None:
    rates = [rate(Recipe(lr=1.0, warmup=0.25), step / 100) for step in range(101)]
    assert rates.index(max(rates)) == 25
    assert max(rates) == 1.0
    assert rates[100] == pytest.approx(0)
    assert rates == [*sorted(rates[:26]), *sorted(rates[26:], reverse=True)]


def test_crops_are_windows_of_the_padded_image() -> None:
    image = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)
    padded = np.pad(image.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)))
    found = shifted(image, (2, 2), torch.tensor([[0, 3], [4, 1]])).numpy()
    assert (found[0] == padded[0, :, 0:4, 4:8]).all()
    assert (found[1] == padded[1, :, 3:7, 1:5]).all()


def test_a_search_on_data_trains_its_finalists(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "resolution": [8]}))
    (tmp_path / "r.yaml").write_text("epochs: 1")
    words = ["search", "--target", "jetson", "--space", "tiny.yaml", "--trials", "4"]
    words += ["--proxies", "entropy", "--data", "digits", "--finalists", "1", "--recipe", "r.yaml"]
    code, out, err = run(*words)
    assert code == 0, err
    scores, accuracies = out.split("Finalists, trained on digits, by accuracy")
    assert "it is no accuracy" in scores
    assert "%" in accuracies
    (folder,) = (tmp_path / "studies").glob("*.finalists/*/trial-*")
    assert Trained.load(folder).arch.input_shape == (1, 8, 8)


def test_a_second_training_in_a_folder_is_refused_with_the_owner(
    arch: Architecture, data: DataSet, tmp_path: Path
) -> None:
    def second(progress: TrainingProgress) -> None:
        with pytest.raises(NasError, match=f"in use by process {os.getpid()} on .*: wait for it"):
            train(arch, data, Recipe(epochs=1), output=tmp_path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(arch, data, Recipe(epochs=1), output=tmp_path, progress=second)
    train(arch, data, Recipe(epochs=1), output=tmp_path)  # the lock went with its owner


def test_a_stale_lock_is_taken_over(arch: Architecture, data: DataSet, tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("process 1 on elsewhere")
    train(arch, data, Recipe(epochs=1), output=tmp_path)
    assert not (tmp_path / ".lock").exists()


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors"])
def test_somebody_s_own_model_is_not_overwritten(
    name: str, arch: Architecture, data: DataSet, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(NasError, match=f"holds a {name} that is of no training there"):
        train(arch, data, Recipe(epochs=1), output=tmp_path)
    assert (tmp_path / name).read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_export_that_nobody_named_overwrites_nothing_of_others(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.onnx", tmp_path / "theirs.onnx"
    small = reference("squeezenet1_1", resolution=32)
    export_onnx(small, ours, initialised(small))
    theirs.write_bytes(b"mine")
    assert unnamed_output(ours) == ours
    assert unnamed_output(tmp_path / "new.onnx") == tmp_path / "new.onnx"
    with pytest.raises(NasError, match="was not written by nas: name the file"):
        unnamed_output(theirs)
