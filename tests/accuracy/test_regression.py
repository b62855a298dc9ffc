"""The hierarchical regression finds effects that tables share, on data made from known ones."""

import numpy as np
import pytest

from nas.accuracy.effects import LOCAL, SHARED
from nas.accuracy.prior import read_prior
from nas.accuracy.regression import Squares, centred, fit, log_odds, prior, share_of, squares
from nas.accuracy.residual import AMPLITUDE, Basis, Residual, alikeness, process

SIZE = len(SHARED)


def table(
    rng: np.random.Generator,
    effects: np.ndarray,
    rows: int,
    slope: float,
    noise: float,
    level: float,
) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(rows, SIZE))
    return x, level + slope * x @ effects + rng.normal(0, noise, rows)


def test_shared_effects_are_found_whatever_a_tables_level_and_slope() -> None:
    rng = np.random.default_rng(0)
    mean, variance = prior()
    true = mean + rng.normal(0, np.sqrt(variance))
    kept = {}
    for i, (slope, level) in enumerate(
        [(1.0, -2.0), (0.6, 3.0), (1.5, 0.0), (1.0, 1.0), (0.8, 2.0)]
    ):
        x, y = table(rng, true, 300, slope, 0.05, level)
        kept[f"t{i}"] = squares(x, y, ["one"] * 300)
    found = fit(kept)
    before = float(np.abs((mean - true) / np.sqrt(variance)).mean())
    after = float(np.abs((found.effects - true) / np.sqrt(variance)).mean())
    assert after < before
    assert found.slopes["t2"] > found.slopes["t0"] > found.slopes["t1"]
    assert np.linalg.eigvalsh(found.covariance).min() > 0


def test_a_large_table_does_not_outvote_the_others() -> None:
    """Its own deviation is not the shared effects': many rows weigh little more than few."""
    rng = np.random.default_rng(1)
    mean, variance = prior()
    odd = mean + 3 * np.sqrt(variance)
    moved = []
    for rows in (100, 5000):
        x, y = table(rng, odd, rows, 1.0, 0.01, 0.0)
        found = fit({"odd": squares(x, y, ["one"] * rows)})
        moved.append(float(np.abs((found.effects - mean) / np.sqrt(variance)).mean()))
    assert moved[1] < 1.5  # of the 3 deviations that it is away
    assert moved[1] < 2 * moved[0]


def test_no_table_leaves_the_prior() -> None:
    found = fit({})
    assert np.array_equal(found.effects, prior()[0])


def test_levels_of_recipes_do_not_matter() -> None:
    rng = np.random.default_rng(2)
    x, y = table(rng, prior()[0], 60, 1.0, 0.05, 0.0)
    groups = ["a"] * 30 + ["b"] * 30
    shifted = y + np.repeat([5.0, -3.0], 30)
    one, other = squares(x, y, groups), squares(x, shifted, groups)
    assert np.allclose(one.xx, other.xx)
    assert np.allclose(one.xy, other.xy)
    assert one.yy == pytest.approx(other.yy)
    assert np.allclose(centred(y, groups)[:30].mean(), 0)


def test_log_odds_and_back() -> None:
    shares = np.array([0.1, 0.5, 0.93])
    assert share_of(log_odds(shares)) == pytest.approx(shares)
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()


def test_a_residual_is_learned_in_its_space_and_silent_outside() -> None:
    rng = np.random.default_rng(3)
    size = len(LOCAL)
    base = np.zeros(size)

    def drawn(n: int) -> np.ndarray:
        z = np.tile(base, (n, 1))
        z[:, :4] += rng.uniform(-0.5, 0.5, (n, 4))
        return z

    def truth(z: np.ndarray) -> np.ndarray:
        found: np.ndarray = 0.3 * np.sin(4 * z[:, 0]) + 0.2 * z[:, 1] * z[:, 2]
        return found

    z, x = drawn(400), rng.normal(size=(400, SIZE))
    effects = prior()[0]
    y = 1.0 + x @ effects + truth(z) + rng.normal(0, 0.02, 400)
    names = ["one"] * 400
    sums = Residual.of(drawn(100), z, x, y, names)
    found = process(sums, squares(x, y, names), effects, 1.0)
    new = drawn(200)
    error = found.mean(new) - truth(new)
    assert (error - error.mean()).std() < 0.1 * truth(new).std() + 0.03
    away = new.copy()
    away[:, 10] += 1.0
    assert not found.mean(away).any()


def test_the_noise_of_a_residual_is_what_turns_of_whole_matrices_come_to() -> None:
    _, tables, residuals = read_prior()
    effects = prior()[0]
    for name, sums in residuals.items():
        table, noise, eye = tables[name], 0.05, np.eye(len(sums.py))
        target = sums.py - sums.px @ effects
        rest = table.yy - 2 * effects @ table.xy + effects @ table.xx @ effects
        for _ in range(20):
            covariance = np.linalg.inv(sums.pp / noise + eye / AMPLITUDE**2)
            weights = covariance @ target / noise
            error = rest - 2 * weights @ target + weights @ sums.pp @ weights
            spent = float(np.trace(covariance @ sums.pp)) / noise
            noise = max(float(error) / max(table.rows - spent, 0.2 * table.rows), 1e-4)
        found = process(sums, table, effects, 1.0)
        assert found.weights == pytest.approx(weights, abs=1e-9)


def test_coordinates_have_the_kernel_as_products() -> None:
    rng = np.random.default_rng(4)
    marks = rng.normal(0, 0.3, (30, len(LOCAL)))
    coordinates = Basis(marks)(marks)
    assert coordinates @ coordinates.T == pytest.approx(alikeness(marks, marks), abs=1e-4)


def test_squares_hold_what_they_say() -> None:
    x, y = np.eye(SIZE)[:3], np.array([1.0, 2.0, 6.0])
    found = squares(x, y, ["one"] * 3)
    assert isinstance(found, Squares)
    assert found.rows == 3
    assert found.yy == pytest.approx(14.0)
    assert found.xy[:3] == pytest.approx([-2, -1, 3])
