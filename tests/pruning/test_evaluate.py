"""Inherited accuracy: an accuracy of the child as it is, on images nobody was trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from parents import ARCH, inheritance_of, trained_parent

from nas.data import DataSet, load_data
from nas.pruning.evaluate import Bench, Inheritance, estimate
from nas.pruning.quick import QuickNetwork
from nas.pruning.space import PruningSpace
from nas.support.errors import NasError
from nas.training import Trained, evaluate
from nas.training.batches import Normalise, Pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_parent(tmp_path_factory.mktemp("parent") / "net")


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load_data("digits")


@pytest.fixture(scope="module")
def inheritance(folder: Path, data: DataSet) -> Inheritance:
    return inheritance_of(ARCH, folder, data)


def test_it_is_the_accuracy_of_the_child_on_the_validation_images(
    inheritance: Inheritance, data: DataSet
) -> None:
    bench, space = Bench(inheritance, data), PruningSpace.of(ARCH, "x")
    child = space.decode({"stages.0.0.hidden": 32, "resolution": 8})
    got = bench.evaluated(child)
    cpu = torch.device("cpu")
    images, normalise = Pixels(data.validation, 8, cpu), Normalise(data, cpu)
    expected = evaluate(bench.child(child), images, normalise)
    assert got == {
        "inherited_accuracy": pytest.approx(expected.accuracy, abs=1e-9),
        "images": len(data.validation.labels),
    }
    assert got["inherited_accuracy"] > 0.3  # a tenth is chance
    assert Bench(inheritance).evaluated(child) == got  # whichever process


def test_more_pruning_loses_more(inheritance: Inheritance, data: DataSet, folder: Path) -> None:
    bench, space = Bench(inheritance, data), PruningSpace.of(ARCH, "x")
    whole, least = (
        bench.evaluated(space.decode(p))["inherited_accuracy"] for p in (space.whole, space.least)
    )
    assert whole == pytest.approx(Trained.load(folder).accuracy, abs=0.03)
    assert least < whole - 0.3


def test_reconstruction_helps(inheritance: Inheritance, data: DataSet) -> None:
    child = PruningSpace.of(ARCH, "x").decode({"stages.0.0.hidden": 24, "stages.1.0.hidden": 24})
    fitted = Bench(inheritance.model_copy(update={"reconstruct": True}), data)
    plain, refitted = (
        b.evaluated(child)["inherited_accuracy"] for b in (Bench(inheritance, data), fitted)
    )
    assert refitted > plain
    assert fitted.evaluated(ARCH) == Bench(inheritance, data).evaluated(ARCH)


def test_few_images_are_a_part_of_all(inheritance: Inheritance, data: DataSet) -> None:
    few = inheritance.model_copy(update={"images": 50, "norm_images": 16})
    assert Bench(few, data).evaluated(ARCH)["images"] == 50


def test_a_hopeless_child_is_given_up_early(inheritance: Inheritance, data: DataSet) -> None:
    least = PruningSpace.of(ARCH, "x").decode(PruningSpace.of(ARCH, "x").least)
    bench = Bench(inheritance, data)
    assert bench.evaluated(least, 0.6)["images"] == 128
    assert bench.evaluated(ARCH, 0.6) == bench.evaluated(ARCH)


def test_statistics_are_those_of_the_images(inheritance: Inheritance, data: DataSet) -> None:
    module = Bench(inheritance, data).parent.child(ARCH)
    x = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    estimate(module, x)
    with torch.no_grad():
        before = module.get_submodule("stem.0.conv.conv")(x)
    norm = module.get_submodule("stem.0.conv.norm")
    assert isinstance(norm, torch.nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert torch.allclose(norm.running_mean, before.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, before.var((0, 2, 3)), rtol=1e-3)


def test_few_images_at_a_time_give_the_same(
    inheritance: Inheritance, data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(inheritance, data)
    tensors = bench.parent.tensors(ARCH, bench.parent.channels(ARCH))
    network = QuickNetwork(ARCH, tensors)
    x = torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    network.settle(x)
    whole = network(x)
    monkeypatch.setattr(network, "_most", 16)
    assert torch.allclose(network(x), whole, atol=1e-5)


def test_weights_that_changed_are_refused(inheritance: Inheritance, data: DataSet) -> None:
    other = inheritance.model_copy(update={"checksum": "0" * 64})
    with pytest.raises(NasError, match="has changed since the pruning began"):
        Bench(other, data).evaluated(ARCH)
