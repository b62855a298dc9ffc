"""What each part of a network gives to a prediction: it adds up, and points are what they say."""

from __future__ import annotations

from itertools import pairwise
from math import exp, log

import numpy as np
import pytest

from nas import AccuracyModel, Architecture, SearchSpace, reference
from nas.accuracy.adaptation import Adaptation
from nas.references.scaled import scaled

ARCHS = [SearchSpace.load("small").sample(seed) for seed in range(20)]


def models() -> list[AccuracyModel]:
    """The prior, and models of a task: whose accuracies are in percent, and shares."""
    prior = AccuracyModel.load()
    rng = np.random.default_rng(0)
    seen = [(arch, prior.predict(arch).value - 20 + rng.normal(0, 2)) for arch in ARCHS[:8]]
    of_task = prior.trained_for(2000).adapt(seen)
    return [prior, of_task, prior.adapt([(arch, value / 100) for arch, value in seen])]


@pytest.mark.parametrize("model", models(), ids=["prior", "percent", "shares"])
@pytest.mark.parametrize("arch", [*ARCHS[6:10], reference("resnet18"), reference("vgg11")])
def test_they_add_up_to_the_log_odds_and_points_are_what_is_lost(
    model: AccuracyModel, arch: Architecture
) -> None:
    share = model.predict(arch).value / model.unit
    *parts, rest = model.gains(arch)
    odds = log(share / (1 - share))
    assert sum(gain.log_odds for gain in [*parts, rest]) == pytest.approx(odds, abs=1e-6)
    assert (rest.part, rest.points) == ("rest", None)
    assert [gain.part for gain in parts] == [gain.part for gain in model.explain(arch)[:-1]]
    for gain in parts:
        without = 1 / (1 + exp(gain.log_odds - odds))
        assert gain.points == pytest.approx(100 * (share - without), abs=1e-4)


def test_a_stage_gives_more_points_where_it_is_wider() -> None:
    model = AccuracyModel.load()
    points = [
        {gain.part: gain.log_odds for gain in model.gains(scaled("mobilenet_v2", width))}
        for width in (0.5, 1.0, 2.0)
    ]
    for narrow, wide in pairwise(points):
        assert wide["stages.5"] > narrow["stages.5"] > 0


@pytest.mark.parametrize("count", [3, 8, 40])
def test_the_slope_is_how_much_a_prediction_rises_with_the_prior(count: int) -> None:
    """Against differences: parts of the prior that are larger make a prediction larger by it."""
    rng = np.random.default_rng(count)
    before, local = rng.normal(1, 0.3, count), rng.normal(0, 0.1, (count, 5))
    odds = 0.6 * before + rng.normal(0, 0.05, count)
    adaptation = Adaptation(before, local, np.arange(count), odds)
    other, name = rng.normal(0, 0.1, (1, 5)), np.array([count])
    low, high = (adaptation.predict(np.array([value]), other, name)[0][0] for value in (0.7, 0.9))
    assert (high - low) / 0.2 == pytest.approx(adaptation.slope)
    assert adaptation.slope > 0
