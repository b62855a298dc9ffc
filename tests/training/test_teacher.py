"""Distillation: a network learns from a teacher's outputs, of a folder or of an ONNX file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from commands import Run
from onnx import helper
from parents import ARCH, RECIPE, trained_parent
from torch.nn import functional

from nas.data import DataSet, load_data
from nas.support.errors import NasError
from nas.training import Recipe, Trained, train
from nas.training.batches import Normalise, resized
from nas.training.export import export_trained
from nas.training.teacher import Teacher, distillation_loss

FEW = Recipe(epochs=2, batch_size=32, images=320, lr=0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_parent(tmp_path_factory.mktemp("teacher") / "net")


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load_data("digits")


def test_the_loss_is_hintons() -> None:
    rng = np.random.default_rng(0)
    outputs, targets = (torch.from_numpy(rng.normal(size=(5, 3)) * 4) for _ in range(2))
    labels = torch.tensor([0, 1, 2, 0, 1])
    recipe = Recipe(distillation=0.6, temperature=3, label_smoothing=0)
    p, q = (np.exp(v.numpy() / 3) for v in (targets, outputs))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    soft = (p * np.log(p / q)).sum(1).mean() * 9
    hard = functional.cross_entropy(outputs, labels).item()
    loss = distillation_loss(outputs, targets, labels, recipe).item()
    assert loss == pytest.approx(0.4 * hard + 0.6 * soft)


def test_a_teacher_gives_its_own_outputs(folder: Path, data: DataSet, tmp_path: Path) -> None:
    trained = Trained.load(folder)
    pixels = torch.from_numpy(data.validation.pixels[:40])
    normalise = Normalise(data, torch.device("cpu"))
    with torch.no_grad():
        expected = trained.module(normalise(pixels))
    export_trained(trained, data, tmp_path / "one.onnx")
    export_trained(trained, data, tmp_path / "any.onnx", dynamic_batch=True)
    model = onnx.load(tmp_path / "any.onnx")  # a stranger's, for batches of five
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 5
    helper.set_model_props(model, {"classes": "0,1,2"})
    onnx.save(model, tmp_path / "five.onnx")
    five = Teacher.load(str(tmp_path / "five.onnx"), data).logits
    some = torch.rand(7, *ARCH.input_shape)
    whole = Teacher.load(str(tmp_path / "any.onnx"), data).logits
    assert torch.allclose(five(some), whole(some), atol=1e-5)
    for name in (str(folder), str(tmp_path / "one.onnx"), str(tmp_path / "any.onnx")):
        targets = Teacher.load(name, data).targets(pixels)
        assert torch.allclose(targets, expected, atol=1e-3)
    larger = resized(pixels, 12)  # a student of another resolution
    seen = resized(larger, 8)
    with torch.no_grad():
        expected = trained.module(normalise(seen))
    assert torch.allclose(Teacher.load(str(folder), data).targets(larger), expected, atol=1e-3)


def test_with_the_teacher_alone_a_student_agrees_with_it(folder: Path, data: DataSet) -> None:
    """All labels are wrong here: whatever it learns is the teacher's."""
    wrong = data.train._replace(labels=(data.train.labels + 1) % 10)
    lied = replace(data, train=wrong)
    teacher = Teacher.load(str(folder), lied)
    recipe = RECIPE.changed(distillation=1.0)
    student = train(ARCH, lied, recipe, teacher=teacher, device="cpu")
    assert student.accuracy > 0.6  # the validation labels are right
    assert train(ARCH, lied, recipe, device="cpu").accuracy < 0.3


def test_going_on_needs_the_same_teacher(folder: Path, data: DataSet, tmp_path: Path) -> None:
    teacher = Teacher.load(str(folder), data)
    done = train(ARCH, data, FEW, output=tmp_path / "t", teacher=teacher, device="cpu")
    again = train(ARCH, data, FEW, output=tmp_path / "t", teacher=teacher, device="cpu")
    assert again.history == done.history
    with pytest.raises(NasError, match="another teacher"):
        train(ARCH, data, FEW, output=tmp_path / "t", device="cpu")


def test_the_command(folder: Path, run: Run, tmp_path: Path) -> None:
    import json

    (tmp_path / "arch.json").write_text(ARCH.to_json())
    words = ("train", "arch.json", "--data", "digits", "--epochs", "1", "-o", "t", "--teacher")
    assert run(*words, str(folder))[0] == 0
    assert json.loads((tmp_path / "t/training.json").read_text())["teacher"]
    assert not list(tmp_path.glob("**/*.csv"))  # its accuracy is no example to predict by
    code, _, err = run(*words, "mobilenet_v2_100")
    assert code == 2
    assert "must be trained" in err
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    code, _, err = run(*words, "bad.onnx")
    assert code == 2
    assert err.count("\n") <= 3


def test_a_teacher_of_other_classes_is_refused(folder: Path, data: DataSet) -> None:
    nine = [part.take(np.flatnonzero(part.labels < 9)) for part in (data.train, data.validation)]
    fewer = replace(data, classes=data.classes[:9], train=nine[0], validation=nine[1])
    with pytest.raises(NasError, match="has 10 classes, data set digits 9"):
        Teacher.load(str(folder), fewer)
    renamed = replace(data, classes=("nought", *data.classes[1:]))
    with pytest.raises(NasError, match="of other classes than digits"):
        Teacher.load(str(folder), renamed)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("mean", "nonsense", "teacher .*a.onnx: "),
        ("mean", "[0.1, 0.2]", "must be of its 1 channels"),
        ("mean", '"ab"', "mean"),
        ("classes", "3", "classes"),
        ("deviation", "[0.0]", "deviation.*greater than 0"),
    ],
)
def test_metadata_that_are_not_ours_are_one_line(
    folder: Path, data: DataSet, tmp_path: Path, key: str, value: str, said: str
) -> None:
    export_trained(Trained.load(folder), data, tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    props = {prop.key: prop.value for prop in model.metadata_props}
    helper.set_model_props(model, props | {key: value})
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(NasError, match=said) as error:
        Teacher.load(str(tmp_path / "a.onnx"), data)
    assert "\n" not in str(error.value)
