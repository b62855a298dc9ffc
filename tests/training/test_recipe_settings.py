"""Augmentation, balance, patience and scores: what a recipe may ask for beyond the default."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, recall_score
from tiny import TINY

import nas
from nas.architecture import Architecture
from nas.data import DataSet, Images, load_data
from nas.study.settings import FINE_TUNING
from nas.support.errors import NasError
from nas.training import Recipe, Trained, train
from nas.training.augment import OPERATIONS, mixed, resized_crop, trivial_augment, warped
from nas.training.batches import Pixels, class_weights, training_batches
from nas.training.checkpoint import read_state
from nas.training.recipe import TRANSFER
from nas.training.scores import BINS, Scores

EVERYTHING = Recipe(
    epochs=2, batch_size=32, resized_crop=0.5, trivial_augment=True, mixup=0.2, cutmix=1.0,
    erasing=0.3, balance="weights",
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> DataSet:
    whole = load_data("digits")
    return dataclasses.replace(whole, train=whole.train.take(np.arange(0, 1400, 4)))


@pytest.fixture(scope="module")
def arch() -> Architecture:
    space = nas.SearchSpace.from_dict({**TINY, "channels": 1, "resolution": [12]})
    return space.sample(1)


def images(n: int = 24, channels: int = 3, side: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    shape = (n, channels, side, side)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_keeps_the_form(channels: int) -> None:
    pixels = images(7, channels)
    for operation in OPERATIONS:
        for strength in (-1.0, 0.0, 1.0):
            changed = operation(pixels, torch.full((7,), strength))
            assert (changed.shape, changed.dtype) == (pixels.shape, torch.uint8)
    changed = trivial_augment(pixels, seeded())
    assert torch.equal(changed, trivial_augment(pixels, seeded()))
    assert not torch.equal(changed, pixels)


def test_geometry_is_what_it_says() -> None:
    pixels = images()
    identity = torch.eye(2, 3).repeat(len(pixels), 1, 1)
    assert torch.equal(warped(pixels, identity), pixels)
    turned = identity.clone()
    turned[:, 0, 0] = -1
    assert torch.equal(warped(pixels, turned), pixels.flip(-1))
    flat = torch.full_like(pixels, 77)
    assert torch.equal(resized_crop(flat, 0.1, seeded()), flat)  # never beyond the edges


@pytest.mark.parametrize("recipe", [Recipe(mixup=0.4), Recipe(cutmix=1.0)])
def test_labels_are_mixed_as_the_images_are(recipe: Recipe) -> None:
    """The images of a class are of one value, so the mean of a mixed one tells its shares."""
    values = torch.tensor([0, 100, 200])
    labels = torch.arange(24) % 3
    pixels = values[labels].byte().view(-1, 1, 1, 1).expand(-1, 3, 16, 16).contiguous()
    for seed in range(5):
        mixture, shares = mixed(pixels, labels, 3, recipe, seeded(seed))
        assert torch.allclose(shares.sum(1), torch.ones(24))
        expected = shares @ values.float()
        assert torch.allclose(mixture.float().mean((1, 2, 3)), expected, atol=0.6)


def test_balanced_sampling_draws_all_classes_as_often() -> None:
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    rows = Images(np.zeros((1000, 1, 2, 2), np.uint8), labels)
    recipe = Recipe(balance="sampling", batch_size=50)
    drawn = torch.cat([y for _, y in training_batches(Pixels(rows, 2, CPU), recipe, False, 0)])
    counts = drawn.bincount().double()
    assert ((counts - 1000 / 3).abs() < 6 * np.sqrt(1000 * 2 / 9)).all()
    weights = class_weights(torch.from_numpy(labels), 4)
    assert weights[3] == 0
    assert (weights[:3] * torch.tensor([900, 90, 10])).tolist() == pytest.approx([1000 / 3] * 3)


def test_everything_at_once_learns_and_goes_on(
    arch: Architecture, data: DataSet, tmp_path: Path
) -> None:
    def stop(progress: Any) -> None:
        if progress.last and progress.epoch == 1:
            raise KeyboardInterrupt

    whole = train(arch, data, EVERYTHING, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(arch, data, EVERYTHING, output=tmp_path / "t", device="cpu", progress=stop)
    again = train(arch, data, EVERYTHING, output=tmp_path / "t", device="cpu")
    assert again.loss == whole.loss < np.log(10) * 1.2


def test_patience_keeps_the_best_epoch(arch: Architecture, data: DataSet, tmp_path: Path) -> None:
    recipe = Recipe(epochs=30, batch_size=32, lr=3.0, patience=1, warmup=0.9, ema=0)
    done = train(arch, data, recipe, output=tmp_path / "t", device="cpu")
    losses = [epoch.validation_loss for epoch in done.history]
    assert len(losses) < 30
    assert done.kept.epoch == int(np.argmin(losses)) + 1 == len(losses) - 1
    assert done.loss == min(losses)
    loaded = Trained.load(tmp_path / "t")
    mean, deviation = (m[0] for m in data.moments)
    shown = Pixels(data.validation, 12, CPU)[:]
    with torch.no_grad():
        outputs = loaded.module((shown / 255 - mean) / deviation)
    loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(data.validation.labels))
    assert loss.item() == pytest.approx(min(losses), rel=1e-4)
    with pytest.raises(NasError, match="patience: must be null with int8"):
        recipe.changed(int8=0.5)


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    outputs = rng.normal(size=(300, 5)) + 2 * np.eye(5)[labels]
    scores = Scores.of(torch.from_numpy(outputs), torch.from_numpy(labels))
    taken = outputs.argmax(1)
    assert scores.accuracy == pytest.approx((taken == labels).mean())
    assert scores.macro_f1 == pytest.approx(f1_score(labels, taken, average="macro"))
    expected = recall_score(labels, taken, average=None, labels=range(4))
    assert scores.by_class[:4] == pytest.approx(list(expected))
    assert scores.by_class[4] is None
    share = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    sure, error = share.max(1), 0.0
    for low in np.arange(BINS) / BINS:
        within = (sure >= low) & (sure < low + 1 / BINS)
        if within.any():
            gap = (taken == labels)[within].mean() - sure[within].mean()
            error += within.mean() * abs(gap)
    assert scores.calibration_error == pytest.approx(error)
    worst = int(np.argmin(expected))
    name, value = scores.worst(tuple("abcde"))
    assert name == "abcde"[worst]
    assert value == pytest.approx(expected[worst])


def test_scores_are_stored(arch: Architecture, data: DataSet, tmp_path: Path) -> None:
    with_test = dataclasses.replace(data, test=data.validation)
    train(arch, with_test, Recipe(epochs=1, batch_size=32), output=tmp_path / "t", device="cpu")
    state = read_state(tmp_path / "t")
    assert state.validation_scores
    assert state.validation_scores == state.test_scores
    assert state.validation_scores.accuracy == state.test_accuracy
    assert Trained.load(tmp_path / "t").test_scores == state.test_scores


def test_every_epoch_is_logged_once(arch: Architecture, data: DataSet, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from nas.training.log import logged

    recipe = Recipe(epochs=2, batch_size=32)
    with logged([f"tensorboard:{tmp_path}/runs"], "one", recipe) as report:
        done = train(arch, data, recipe, device="cpu", progress=report)
    events = EventAccumulator(str(tmp_path / "runs" / "one")).Reload()
    found = [(e.step, e.value) for e in events.Scalars("accuracy/validation")]
    assert found == [(e.epoch, pytest.approx(e.validation_accuracy)) for e in done.history]


@pytest.mark.parametrize(
    ("place", "error"),
    [("tensorbord:runs", "did you mean 'tensorboard'"), ("tensorboard", "needs a folder")],
)
def test_a_log_that_cannot_be_is_one_line(place: str, error: str) -> None:
    from nas.training.log import logged

    with pytest.raises(NasError, match=error), logged([place], "one", Recipe()):
        pass


@pytest.mark.parametrize("recipe", [Recipe(), TRANSFER, FINE_TUNING])
def test_few_images_have_as_many_steps_as_some_more_would(recipe: Recipe) -> None:
    fewest = 1200 * recipe.epochs / 20
    for images in (5, 9, 40, 270, 700, 2000):
        suited = recipe.suited(images)
        assert fewest <= suited.steps(images) < fewest + max(images // suited.batch_size, 1)
        assert suited.changed(epochs=recipe.epochs) == recipe.batched(images)
    assert recipe.suited(60_000) == recipe


@pytest.mark.parametrize(("images", "size"), [(9, 8), (100, 8), (600, 32), (1024, 64), (9999, 64)])
def test_few_images_have_small_batches_at_a_lower_rate(images: int, size: int) -> None:
    """Of trained weights too: a training that begins with them has 64 images a batch otherwise."""
    for recipe in (TRANSFER, FINE_TUNING):
        fewer = recipe.batched(images)
        assert fewer.batch_size == size
        assert fewer.lr / recipe.lr == size / recipe.batch_size
        assert fewer.changed(batch_size=64, lr=recipe.lr) == recipe


@pytest.mark.parametrize(("side", "size"), [(160, 64), (161, 32), (224, 32), (320, 16), (640, 8)])
def test_large_images_have_small_batches_at_a_lower_rate(side: int, size: int) -> None:
    small = Recipe().batched(10_000, side**2)
    assert (small.batch_size, small.lr) == (size, 0.1 * size / 64)
    assert Recipe().suited(10_000, side**2) == small.changed(epochs=20)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"epochs": 0}, "^Recipe: epochs: should be greater than or equal to 1, not 0$"),
        ({"epoch": 3}, "^Recipe: epoch: unknown setting; did you mean 'epochs'"),
        ({"patience": 3, "int8": 0.1}, "^Recipe: patience: must be null with int8"),
    ],
)
def test_a_recipe_of_python_is_refused_in_one_line(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(NasError, match=said):
        Recipe(**wrong)
