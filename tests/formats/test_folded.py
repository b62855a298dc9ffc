"""Norms that were folded into their layers can be trained and estimated as any others."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from parents import ARCH, RECIPE, inheritance_of
from torch import Tensor, nn

from nas.data import load_data
from nas.formats.folded import fold_norm, unfold_norms
from nas.formats.onnx_model import to_onnx
from nas.formats.weights import load_weights
from nas.pruning.evaluate import Bench, weights_checksum
from nas.references import reference
from nas.support.errors import NasError
from nas.testing.numerics import randomise
from nas.torch_module import Network, build
from nas.training import Recipe, train
from nas.training.start import start_from


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("folded") / "net.onnx"
    onnx.save(to_onnx(ARCH, randomise(build(ARCH, seed=0))), str(path))
    return path


@torch.no_grad()
def outputs(module: Network, images: Tensor, training: bool) -> Tensor:
    result: Tensor = module.train(training)(images)
    return result


def test_the_module_computes_the_same_with_statistics_of_its_own(folded: Path) -> None:
    images = torch.randn(64, *ARCH.input_shape, generator=torch.Generator().manual_seed(0))
    module = load_weights(ARCH, folded)
    before = outputs(module, images, False)
    off = (outputs(load_weights(ARCH, folded), images, True) - before).abs().max()
    unfold_norms(module, images)
    limit = 1e-4 * float(before.abs().max())
    assert torch.allclose(outputs(module, images, False), before, atol=limit)
    assert torch.allclose(outputs(module, images, True), before, atol=limit)
    assert off > 100 * limit  # what a first step of training would find otherwise


def test_a_folded_norm_that_was_scaled_since_computes_the_same() -> None:
    norm, images = nn.BatchNorm2d(2).eval(), torch.randn(16, 2, 4, 4)
    fold_norm(norm, torch.tensor([0.5, -1.0]))
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([2.0, 0.3]))
        before = norm(images)
        unfold_norms(norm, images)
        assert torch.allclose(norm(images), before, atol=1e-5)
        assert torch.allclose(norm.train()(images), before, atol=1e-5)


def test_norms_with_statistics_stay() -> None:
    module = randomise(build(ARCH, seed=0))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    unfold_norms(module, torch.randn(8, *ARCH.input_shape))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_pruning_and_transfer_begin_with_what_the_file_computes(tmp_path: Path) -> None:
    data = load_data("digits")
    trained = train(ARCH, data, RECIPE, output=tmp_path / "net", device="cpu")
    path = tmp_path / "net.onnx"
    onnx.save(to_onnx(ARCH, trained.module), str(path))
    about = inheritance_of(ARCH, tmp_path / "net", data).model_copy(
        update={"weights": str(path), "checksum": weights_checksum(str(path))}
    )
    whole = Bench(about, data).evaluated(ARCH)["inherited_accuracy"]
    assert whole == pytest.approx(trained.accuracy, abs=0.02)
    still = Recipe(epochs=1, batch_size=64, lr=1e-9, images=640)  # the norms' statistics alone move
    tuned = train(ARCH, data, still, start=start_from(path, ARCH, 0), device="cpu")
    assert tuned.accuracy == pytest.approx(trained.accuracy, abs=0.05)


def test_a_file_without_the_branches_of_a_network_is_refused(tmp_path: Path) -> None:
    arch = reference("repvgg_a0", 10, 32)
    onnx.save(to_onnx(arch, build(arch, seed=0)), str(tmp_path / "net.onnx"))
    with pytest.raises(NasError, match="trained as branches, whose weights the file has not"):
        load_weights(arch, tmp_path / "net.onnx")
