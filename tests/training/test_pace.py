"""A training within a limit of time follows the machine, and always comes to its end."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import TINY

from nas import Architecture, SearchSpace
from nas.data import DataSet, load_data
from nas.support.errors import NasError
from nas.training import Recipe, Trained, TrainingProgress, train
from nas.training.checkpoint import read_state
from nas.training.pace import first_pace, pace
from nas.training.recipe import check_compared

SECONDS = st.floats(0.1, 100)


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load_data("digits")


@pytest.fixture(scope="module")
def arch() -> Architecture:
    return SearchSpace.from_dict({**TINY, "channels": 1, "resolution": [12]}).sample(1)


def run(recipe: Recipe, each: list[float]) -> tuple[list[float], list[float]]:
    """The seconds of the epochs that a training makes, where they take so long in turns, and the
    shares at which they begin."""
    made: list[float] = []
    shares: list[float] = []
    while (now := pace(recipe, made)).left:
        shares.append(now.share)
        made.append(each[len(made) % len(each)])
    assert now.share == pytest.approx(1)
    return made, shares


@given(minutes=st.floats(0.01, 10), each=st.lists(SECONDS, min_size=1, max_size=7))
def test_it_ends_once_and_never_goes_back(minutes: float, each: list[float]) -> None:
    recipe = Recipe(epochs=40, minutes=minutes)
    made, shares = run(recipe, each)
    assert shares == sorted(set(shares))
    assert len(made) <= recipe.epochs
    # Beyond the limit there is one epoch at most, in which the learning rate falls to its end.
    assert sum(made[:-2]) <= 60 * minutes


@given(minutes=st.floats(0.01, 10), seconds=SECONDS)
def test_a_steady_machine_makes_the_epochs_that_fit(minutes: float, seconds: float) -> None:
    made, shares = run(Recipe(epochs=40, minutes=minutes), [seconds])
    fitting = 60 * minutes / seconds
    assert len(made) == pytest.approx(min(40, max(1, fitting)), abs=1)
    assert shares == pytest.approx([e / len(made) for e in range(len(made))], abs=1 / len(made))


@pytest.mark.parametrize("slower", [0.5, 1, 2, 4])
def test_it_follows_a_machine_that_gets_slower_or_faster(slower: float) -> None:
    recipe = Recipe(epochs=200, minutes=10)
    made, _ = run(recipe, [10.0] * 20 + [10.0 * slower] * 180)
    assert 600 - 20 * slower <= sum(made) <= 600 + 20 * slower


def test_without_a_limit_all_epochs_are_made() -> None:
    made, shares = run(Recipe(epochs=7), [3.0])
    assert len(made) == 7
    assert shares == pytest.approx([e / 7 for e in range(7)])


def test_the_first_epoch_is_paced_by_its_own_steps() -> None:
    recipe = Recipe(epochs=100, minutes=1)
    assert first_pace(recipe, 0.5, 2.0).left == 12  # 4 s, and as much as a quarter to validate
    assert first_pace(recipe, 0.5, 2000.0) == (0, 1)
    assert first_pace(Recipe(epochs=9), 0.5, 2.0) == (0, 9)


def test_a_training_ends_when_its_time_is_up(
    arch: Architecture, data: DataSet, tmp_path: Path
) -> None:
    recipe, seen = (
        Recipe(epochs=90, batch_size=32, minutes=0.005, warmup=0),
        list[TrainingProgress](),
    )
    trained = train(arch, data, recipe, output=tmp_path / "t", progress=seen.append)
    made = len(trained.history)
    assert 1 <= made < 90
    assert seen[-1].step == seen[-1].steps
    assert (seen[-1].epoch, seen[-1].epochs) == (made, made)
    assert Trained.load(tmp_path / "t").history == trained.history
    assert train(arch, data, recipe, output=tmp_path / "t").history == trained.history


def test_one_that_was_stopped_goes_on_within_what_was_left(
    arch: Architecture, data: DataSet, tmp_path: Path
) -> None:
    def stop(progress: TrainingProgress) -> None:
        if progress.last:
            raise KeyboardInterrupt

    recipe = Recipe(epochs=50, batch_size=32, minutes=0.02)
    with pytest.raises(KeyboardInterrupt):
        train(arch, data, recipe, output=tmp_path, progress=stop)
    first = read_state(tmp_path).history
    with pytest.raises(NasError, match="of at most 50 epochs are trained"):
        Trained.load(tmp_path)
    history = train(arch, data, recipe, output=tmp_path).history
    assert history[: len(first)] == first
    assert pace(recipe, [epoch.seconds for epoch in history]).left == 0


def test_what_is_remembered_is_what_was_made() -> None:
    assert Recipe(epochs=90, minutes=3, lr=0.2).made(7) == Recipe(epochs=7, lr=0.2)
    assert Recipe(epochs=90, patience=3).made(7) == Recipe(epochs=90, patience=3)


def test_networks_are_not_compared_within_minutes() -> None:
    with pytest.raises(
        NasError, match=r"^recipe: minutes 3: networks are compared after equal epo"
    ):
        check_compared(Recipe(minutes=3))
