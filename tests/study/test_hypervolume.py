"""Hypervolumes against counting the unit cubes of a grid."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.study.hypervolume import hypervolume, hypervolumes

SIDE = 5


@st.composite
def clouds(draw: st.DrawFn) -> np.ndarray:
    dimensions = draw(st.integers(1, 4))
    values = st.integers(0, SIDE + 1)  # some are beyond the reference point
    rows = draw(st.lists(st.lists(values, min_size=dimensions, max_size=dimensions), max_size=8))
    return np.array(rows, float).reshape(len(rows), dimensions)


def counted(points: np.ndarray) -> int:
    """How many unit cubes of the grid below the reference point some point dominates."""
    cells = product(range(SIDE), repeat=points.shape[1])
    return sum(bool((points <= np.array(cell)).all(axis=1).any()) for cell in cells)


@given(clouds())
def test_it_is_what_cells_count(points: np.ndarray) -> None:
    reference = np.full(points.shape[1], float(SIDE))
    assert hypervolume(points, reference) == counted(points)
    so_far = hypervolumes(points, reference)
    assert so_far.tolist() == [counted(points[: i + 1]) for i in range(len(points))]


def test_a_trial_without_a_score_adds_nothing() -> None:
    points = np.array([[1.0, 2.0], [np.nan, np.nan], [0.0, 3.0]])
    assert hypervolumes(points, np.array([4.0, 4.0])).tolist() == [6.0, 6.0, 7.0]


def test_it_agrees_with_optuna_on_many_points() -> None:
    compute = pytest.importorskip("optuna._hypervolume").compute_hypervolume
    rng = np.random.default_rng(0)
    for dimensions in (2, 3, 4):
        points = rng.random((40, dimensions))
        reference = np.ones(dimensions)
        assert hypervolume(points, reference) == pytest.approx(compute(points, reference))
