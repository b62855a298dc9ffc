"""How much a table leaves open of a network, against Bayesian regression written out."""

from __future__ import annotations

import numpy as np
import pytest

from nas.latency.model.corrections import RIDGE
from nas.latency.model.doubt import WAVES, Doubt

COUNT = 40


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray, list[bool]]:
    """Waves of what was fitted, its weights, and what of it are networks."""
    rng = np.random.default_rng(0)
    waves = rng.normal(0, 0.3, (COUNT, WAVES))
    return waves, rng.uniform(0.1, 1, COUNT), [bool(i % 3) for i in range(COUNT)]


def left_open(new: np.ndarray, waves: np.ndarray, weights: np.ndarray) -> float:
    """The variance of new waves' correction after what was fitted, for noise of variance 1."""
    precision = RIDGE * np.eye(WAVES) + sum(
        w * np.outer(row, row) for row, w in zip(waves, weights, strict=True)
    )
    return float(new @ np.linalg.inv(precision) @ new)


def test_it_is_the_variance_that_the_fit_leaves(
    made: tuple[np.ndarray, np.ndarray, list[bool]],
) -> None:
    waves, weights, networks = made
    doubt = Doubt.of(waves, weights, networks)
    others = [
        left_open(waves[i], np.delete(waves, i, 0), np.delete(weights, i))
        for i in range(COUNT)
        if networks[i]
    ]
    assert doubt.usual == pytest.approx(np.median(others), rel=1e-6)
    for new in np.random.default_rng(1).normal(0, 0.3, (5, WAVES)):
        expected = left_open(new, waves, weights) / np.median(others)
        assert doubt.relative(new) == pytest.approx(expected, rel=1e-6)


def test_its_numbers_say_it_all(made: tuple[np.ndarray, np.ndarray, list[bool]]) -> None:
    doubt = Doubt.of(*made)
    again = Doubt.of_facts(doubt.facts())
    for new in made[0]:
        assert again.relative(new) == pytest.approx(doubt.relative(new), rel=1e-3)
