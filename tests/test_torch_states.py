"""Scores, weights and trainings are the same whatever a program around has set in torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TINY

import nas
from nas.data import DataSet
from nas.data.dataset import Images
from nas.formats.verified import export_onnx, initialised
from nas.proxies import PROXIES, score
from nas.proxies.scoring import scores
from nas.support.plain_torch import plain_torch
from nas.training import Recipe, Trained, train


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(device: str) -> Iterator[None]:
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default device": lambda: default_device("meta"),
    "device context": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
}


@contextmanager
def everything() -> Iterator[None]:
    """All of them at once."""
    with ExitStack() as stack:
        for name in ("float64", "autocast", "device context", "no_grad", "inference_mode"):
            stack.enter_context(STATES[name]())
        yield


STATES["all of them"] = everything


def state() -> tuple[Any, ...]:
    """What of torch a program may have set."""
    modes = (torch.is_grad_enabled(), torch.is_inference_mode_enabled())
    defaults = (torch.get_default_dtype(), torch.get_default_device())
    cast = (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"))
    return *modes, *defaults, *cast, torch.get_num_threads(), torch.get_rng_state().tolist()


MODULE = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Dropout(0.5))
IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(seed: int = 0) -> nas.Architecture:
    settings = {**TINY, "channels": 1, "classes": 2, "resolution": [8]}
    return nas.SearchSpace.from_dict(settings).sample(seed)


def noise() -> DataSet:
    rng = np.random.default_rng(0)
    images = Images(rng.integers(0, 256, (32, 1, 8, 8), np.uint8), np.arange(32) % 2)
    return DataSet("noise", ("a", "b"), images, images)


def results(folder: Path) -> dict[str, Any]:
    """All that torch computes for a user, as plain data."""
    folder.mkdir()
    arch = network()
    trained = train(arch, noise(), Recipe(epochs=1, batch_size=16), output=folder / "t")
    loaded = Trained.load(folder / "t").module.state_dict()
    own = nas.build(arch, seed=3)
    space = nas.SearchSpace.from_dict(TINY)
    study = nas.search("jetson", (), space, storage=str(folder), trials=2, proxies=["synflow"])
    return {
        "scores": dict(scores(arch, sorted(PROXIES))),
        "of a module": dict(score(MODULE, IMAGES, ["synflow", "zen", "meco", "naswot"])),
        "search": [record.scores for record in study.records()],
        "weights": {name: (str(w.dtype), w.tolist()) for name, w in own.state_dict().items()},
        "trainable": [(p.requires_grad, p.is_inference()) for p in own.parameters()],
        "loss": [(e.loss, e.validation_loss) for e in trained.history],
        "trained": {name: w.tolist() for name, w in loaded.items()},
        "difference": export_onnx(arch, folder / "a.onnx", initialised(arch)),
        "file": (folder / "a.onnx").read_bytes(),
    }


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return results(tmp_path_factory.mktemp("plain") / "r")


@pytest.mark.parametrize("name", STATES)
def test_results_are_those_of_a_plain_program_and_the_state_stays(
    name: str, plain: dict[str, Any], tmp_path: Path
) -> None:
    with STATES[name]():
        before = state()
        found = results(tmp_path / "r")
        assert state() == before
    for what, value in plain.items():
        assert (
            found[what] == pytest.approx(value, nan_ok=True)
            if what == "scores"
            else (found[what] == value)
        ), what


def test_a_batch_made_in_inference_mode_is_scored() -> None:
    module, images = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), torch.ones(2, 3, 8, 8)
    with torch.inference_mode():
        made, other = torch.ones(2, 3, 8, 8), torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))
    names = ["synflow", "zen", "meco", "grad_norm"]
    assert score(other, made, names) == score(module, images, names)


def test_an_error_leaves_the_state_as_it_was() -> None:
    with everything():
        before = state()
        with pytest.raises(ZeroDivisionError), plain_torch():
            1 / (state() == before)
        assert state() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_scoring_leaves_the_gpus_generators_alone_and_is_repeatable_there() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Dropout(0.5)).cuda()
    images = torch.randn(4, 3, 8, 8, device="cuda")
    before = torch.cuda.get_rng_state()
    first = score(module, images, ["grad_norm", "naswot"])
    assert torch.equal(torch.cuda.get_rng_state(), before)
    torch.rand(7, device="cuda")
    assert score(module, images, ["grad_norm", "naswot"]) == first
    score(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), images.cpu(), ["synflow"])
    nas.build(network(), seed=1)
    torch.rand(7, device="cuda")
