"""A trained network becomes int8: by images that judge nothing, at a cost that is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from nas.architecture import Architecture
from nas.blocks import Block
from nas.cli.main import app
from nas.data import DataSet, load_data
from nas.data.dataset import Images
from nas.formats.scales import quantised_layer
from nas.support.errors import NasError
from nas.testing.imbalance import unbalance
from nas.torch_module import build
from nas.training import Recipe, Trained, train
from nas.training.accuracy import evaluate
from nas.training.batches import Normalise, Pixels
from nas.training.checkpoint import write_weights
from nas.training.export_int8 import export_int8
from nas.training.fake_quantise import FakeQuantised, rounded_map, rounded_weight
from nas.training.int8 import Inputs, to_int8

ARCH = Architecture(
    resolution=8,
    stem=(Block("conv", out=8, act="relu6"),),
    stages=((Block("inverted", out=8, hidden=16, se=4, act="hswish"),),),
    head=(Block("gap"), Block("linear", out=10)),
    channels=1,
)
RECIPE = Recipe(epochs=4, batch_size=32, lr=0.2)


@pytest.fixture(scope="module")
def data() -> DataSet:
    whole = load_data("digits")
    test = Images(whole.validation.pixels[::2], whole.validation.labels[::2])
    return DataSet("digits", whole.classes, whole.train, whole.validation, test, mirrored=False)


def array(images: Images, trained: Trained, data: DataSet) -> NDArray[np.float32]:
    return np.concatenate([*Inputs(images, trained, data).batches()])


@pytest.fixture(scope="module")
def trained(data: DataSet) -> Trained:
    return train(ARCH, data, RECIPE, device="cpu")


def test_int8_is_measured_on_the_test_images_beside_float32(
    trained: Trained, data: DataSet, tmp_path: Path
) -> None:
    done = export_int8(trained, data, tmp_path / "net.onnx", metadata={"note": "x"})
    assert done.tested
    assert data.test is not None
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    images = array(data.test, trained, data)
    found = np.concatenate([session.run(None, {"image": one[None]})[0] for one in images])
    assert done.accuracy == pytest.approx((found.argmax(1) == data.test.labels).mean())
    with torch.no_grad():
        expected = trained.module(torch.from_numpy(images)).numpy()
    assert done.float_accuracy == pytest.approx(
        (expected.argmax(1) == data.test.labels).mean(), abs=0.006
    )
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
    assert done.lost == (done.float_accuracy - done.accuracy > 0.01)
    model = onnx.load(tmp_path / "net.onnx")
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert Architecture.from_json(facts["architecture"]) == ARCH
    assert (facts["note"], facts["int8"]) == ("x", done.int8.best.way.label)
    gates = [node.output[0] for node in model.graph.node if node.op_type == "HardSigmoid"]
    assert all(name.endswith(".hswish.gate") for name in gates)  # an SE's gate is integers


def test_the_best_way_is_chosen_on_training_images_alone(trained: Trained, data: DataSet) -> None:
    found = to_int8(trained, data)
    best = max(one.accuracy for one in found.tried)
    assert found.best.accuracy == best
    ties = [one.error for one in found.tried if one.accuracy == best]
    assert found.best.error == min(ties)
    assert len({one.way.label for one in found.tried}) == len(found.tried) == 6
    other = DataSet(  # the images that judge may be anything
        "digits",
        data.classes,
        data.train,
        Images(np.asarray(data.validation.pixels) * 0, data.validation.labels),
    )
    assert to_int8(trained, other).best.accuracy == found.best.accuracy


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training of two inverted bottlenecks."""
    block = Block("inverted", out=8, hidden=16, act="relu")
    arch = replace(ARCH, stem=(Block("conv", out=8),), stages=((block, block),))
    folder = tmp_path_factory.mktemp("balanced") / "t"
    train(arch, load_data("digits"), RECIPE, output=folder, device="cpu")
    return folder


@pytest.mark.parametrize("hidden", [True, False], ids=["hidden", "between blocks"])
def test_channels_out_of_balance_are_equalised_or_warned_of(
    hidden: bool, balanced: Path, tmp_path: Path
) -> None:
    """Nagel et al. 2019: channels that differ a thousandfold do not fit int8 together. What one
    convolution writes and one reads can be equalised; a sum that many read cannot."""
    data, folder = load_data("digits"), tmp_path / "t"
    copytree(balanced, folder)
    trained = Trained.load(folder)
    images = torch.from_numpy(array(data.validation, trained, data))
    with torch.no_grad():
        before = trained.module(images)
        unbalance(trained.module, hidden=hidden)
        assert torch.allclose(trained.module(images), before, atol=1e-4)
    write_weights(folder, trained.module)
    done = CliRunner().invoke(app, ["export", str(folder), "--int8"])
    assert done.exit_code == 0, done.output
    assert ("nas: warning: int8 costs" in done.stderr) != hidden
    tried = to_int8(trained, data).tried
    plain, equalised = (
        max(a.accuracy for a in tried if ("equalised" in a.way.label) == made)
        for made in (False, True)
    )
    assert plain < 0.3
    assert (equalised > 0.85) == hidden


def test_symmetric_int8_has_its_zero_at_0(trained: Trained, data: DataSet, tmp_path: Path) -> None:
    export_int8(trained, data, tmp_path / "net.onnx", symmetric=True)
    tensors = {
        t.name: onnx.numpy_helper.to_array(t)
        for t in onnx.load(tmp_path / "net.onnx").graph.initializer
    }
    zeros = [value for name, value in tensors.items() if name.endswith(".zero")]
    assert len(zeros) > 10
    assert all(value.dtype in (np.int8, np.int32) and not value.any() for value in zeros)
    with pytest.raises(NasError, match="TensorRT"):
        export_int8(trained, data, tmp_path / "n.tflite", file_format="tflite", symmetric=True)


def test_tflite_is_run_by_litert(trained: Trained, data: DataSet, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    done = export_int8(trained, data, tmp_path / "net.tflite", file_format="tflite")
    assert done.litert is not None
    assert done.litert.within_a_step > 0.95
    assert done.litert.accuracy == pytest.approx(done.accuracy, abs=0.02)


def test_other_data_are_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(NasError, match="has changed"):
        export_int8(trained, load_data("digits", seed=1), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_training_rounds_as_the_files_do() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((6, 4, 3, 3)).astype(np.float32)
    whole, steps, _ = quantised_layer(weight, None, 1.0)
    found = rounded_weight(torch.from_numpy(weight))
    np.testing.assert_allclose(found.numpy(), whole * steps.reshape(-1, 1, 1, 1), rtol=1e-6)
    x = torch.linspace(-1, 3, 1000, requires_grad=True)
    rounded = rounded_map(x)
    assert len(rounded.unique()) == 256
    assert (rounded - x).abs().max() <= 4 / 255 * 0.51
    rounded.sum().backward()
    assert x.grad is not None
    assert (x.grad == 1).all()  # straight through


def test_a_network_that_rounds_computes_what_int8_does(trained: Trained, data: DataSet) -> None:
    images = array(data.validation, trained, data)[:64]
    network = build(ARCH)
    network.load_state_dict(trained.module.state_dict())
    network.eval()
    rounding = FakeQuantised(network)
    with torch.no_grad():
        rounded = rounding(torch.from_numpy(images)).numpy()
        rounding.close()
        plain = network(torch.from_numpy(images)).numpy()
        np.testing.assert_array_equal(plain, trained.module(torch.from_numpy(images)).numpy())
    way = to_int8(trained, data).tried[0].way
    session = onnxruntime.InferenceSession(way.onnx(dynamic_batch=True).SerializeToString())
    int8 = session.run(None, {"image": images})[0]
    assert np.abs(rounded - plain).mean() > 0
    # The roundings are alike, not the same: ranges are those of other images.
    assert np.square(rounded - int8).mean() < 4 * np.square(int8 - plain).mean()


def test_a_recipe_with_int8_trains_and_goes_on_to_the_same_bits(
    data: DataSet, tmp_path: Path
) -> None:
    recipe = RECIPE.changed(int8=0.5, epochs=2)
    assert (recipe.int8_epochs(2), RECIPE.int8_epochs(2)) == (1, 0)
    at_once = train(ARCH, data, recipe, device="cpu")

    def stop(progress: object) -> None:
        if (tmp_path / "t" / "training.json").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(ARCH, data, recipe, output=tmp_path / "t", device="cpu", progress=stop)
    resumed = train(ARCH, data, recipe, output=tmp_path / "t", device="cpu")
    plain = train(ARCH, data, recipe.changed(int8=0.0), device="cpu")
    assert resumed.history[-1].loss == at_once.history[-1].loss
    assert plain.history[0].loss == at_once.history[0].loss
    assert plain.history[1].loss != at_once.history[1].loss
    assert at_once.accuracy > 0.3  # a tenth is chance


def test_what_an_epoch_reaches_is_measured_in_float32(data: DataSet) -> None:
    recipe = RECIPE.changed(int8=1.0, epochs=1, ema=0.0)  # no average beside what rounds
    done = train(ARCH, data, recipe, device="cpu")
    cpu = torch.device("cpu")
    pixels, normalise = Pixels(data.validation, ARCH.resolution, cpu), Normalise(data, cpu)
    reached = evaluate(done.module, pixels, normalise)
    assert done.history[-1].validation_loss == pytest.approx(reached.loss, rel=1e-6)
