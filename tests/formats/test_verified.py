"""Export is verified, and what fails the check is not written."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import nas
from nas.formats.verified import export_onnx, initialised
from nas.support.errors import NasError

SPACE = nas.SearchSpace.load("small")


@pytest.mark.parametrize("seed", range(8))
def test_difference_is_that_of_the_written_file(seed: int, tmp_path: Path) -> None:
    arch, path = SPACE.sample(seed), tmp_path / "a.onnx"
    module = initialised(arch, seed)
    difference = export_onnx(arch, path, module, dynamic_batch=True)
    assert difference <= 1e-5
    images = torch.randn(3, *arch.input_shape)
    with torch.no_grad():
        expected = module(images).numpy()
    (found,) = onnxruntime.InferenceSession(path).run(None, {"image": images.numpy()})
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert expected.std() > 1e-3


def test_initialised_networks_are_alive_and_reproducible() -> None:
    arch = nas.SearchSpace.load("mobile").sample(1)
    images = torch.randn(4, *arch.input_shape)
    with torch.no_grad():
        first, again = (initialised(arch, seed=3)(images) for _ in range(2))
        other = initialised(arch, seed=4)(images)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 0.05 < first.abs().max() < 50


def test_a_model_that_differs_is_not_written(tmp_path: Path) -> None:
    arch, path = SPACE.sample(0), tmp_path / "a.onnx"

    class Other(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = initialised(arch)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.inner(x) + 1
            return y

        def state_dict(self, *args: Any, **kwargs: Any) -> Any:
            return self.inner.state_dict()

    with pytest.raises(NasError, match="differs from torch"):
        export_onnx(arch, path, Other())
    assert not path.exists()


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    arch, link, place = SPACE.sample(0), tmp_path / "link.onnx", tmp_path / "a.onnx"
    link.symlink_to(place)
    export_onnx(arch, link, initialised(arch))
    assert link.is_symlink()
    assert place.stat().st_size > 0
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for other in (tmp_path, tmp_path / "loop", Path("/dev/null")):
        with pytest.raises(NasError, match="no regular file"):
            export_onnx(arch, other, initialised(arch))
