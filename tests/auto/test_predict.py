"""The script of a result, on the files that its data came from."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.architecture import Architecture
from nas.auto.predict import write_predict
from nas.blocks import Block
from nas.data import data_options, load_data
from nas.resolution import Resolution
from nas.training import Recipe, train
from nas.training.accuracy import logits
from nas.training.batches import Normalise, Pixels
from nas.training.export import export_trained


def deep(rng: np.random.Generator, label: int) -> Image.Image:
    """Twelve bits, brighter on one side."""
    values = rng.integers(0, 1500, (12, 12))
    values[:, 6 * label : 6 * label + 6] += 2500
    return Image.fromarray(values.astype(np.uint16))


def transparent(rng: np.random.Generator, label: int) -> Image.Image:
    """A dark square that is transparent on one side."""
    values = rng.integers(0, 60, (12, 12, 4)).astype(np.uint8)
    values[..., 3] = 255
    values[:, 6 * label : 6 * label + 6, 3] = 0
    return Image.fromarray(values)


def plain(rng: np.random.Generator, label: int) -> Image.Image:
    """Upright, brighter on one side."""
    values = rng.integers(0, 60, (16, 12)).astype(np.uint8)
    values[:, 6 * label : 6 * label + 6] += 120
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("kind", "stored", "size"),
    [(deep, None, 12), (transparent, None, 12), (plain, "14x12", "18x14")],
)
def test_images_are_prepared_as_they_were_for_training(
    kind: object, stored: str | None, size: Resolution, tmp_path: Path
) -> None:
    assert callable(kind)
    rng = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "photos" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        kind(rng, i % 2).save(path)
    data = load_data(tmp_path / "photos", options=data_options(image_size=stored))
    rows = (Block("conv", out=8, kernel=3, padding=1),), ((Block("conv", out=8, stride=2),),)
    head = (Block("gap"), Block("linear", out=2))
    arch = Architecture(size, *rows, head, channels=data.channels)
    trained = train(arch, data, Recipe(epochs=6, batch_size=8, flip=False, crop=0.0))
    result = tmp_path / "result"
    result.mkdir()
    export_trained(trained, data, result / "model.onnx")
    assert write_predict(result, trained, data) == 1
    cpu = torch.device("cpu")
    normalise = Normalise(data, cpu)
    expected = [
        100 * float(share)
        for part in (data.train, data.validation)
        for share in logits(trained.module, Pixels(part, size, cpu), normalise).softmax(1).max(1)[0]
    ]
    files = sorted((tmp_path / "photos").rglob("*.png"))
    words = [sys.executable, str(result / "predict.py"), *map(str, files)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    shares = [int(line.rsplit("(", 1)[1].rstrip("%)")) for line in said]
    assert np.ptp(expected) > 5
    np.testing.assert_allclose(sorted(shares), sorted(expected), atol=2)
    (tmp_path / "notes.png").write_text("no image")
    (tmp_path / "cut.png").write_bytes(files[0].read_bytes()[:-30])
    wrong = [str(tmp_path / name) for name in ("none.png", "notes.png", "cut.png")]
    done = subprocess.run([*words[:2], *wrong, str(files[0])], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()) == (1, said[:1])
    lines = done.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines] == wrong
    for given in ([], ["-h"], [str(files[0]), "--help"]):
        done = subprocess.run([*words[:2], *given], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "usage: python predict.py IMAGE ...\n"
