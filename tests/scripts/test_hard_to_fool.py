"""The comparison of a search's best with random networks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from nas import SearchSpace, cost

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import ground_truth_search
import hard_to_fool as fool
from ground_truth_search import REGRESSED, TRAININGS, bayesian, regressions, regrets


def test_the_plan_compares_like_with_like_and_is_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fool, "SCORES", {"default": ("params",), "entropy": ("entropy",)})
    rows = fool.plan(2, 4, str(tmp_path))
    kinds = len(fool.SCORES) + 1
    assert len(rows) == 2 * kinds * len(fool.BUDGETS)
    macs = {}
    for i, (budget, chosen_by, arch) in enumerate(rows):
        assert cost(arch).macs <= 1e6 * float(budget.removesuffix("MFLOPs"))
        macs[budget, chosen_by, i // (kinds * len(fool.BUDGETS))] = cost(arch).macs
    for budget in fool.BUDGETS:
        for i in range(2):
            ratio = macs[budget, fool.RANDOM, i] / macs[budget, "default", i]
            assert abs(ratio - 1) <= fool.TOLERANCE
    assert fool.plan(2, 4, str(tmp_path)) == rows


def test_the_report_gives_the_lead_over_random() -> None:
    space = SearchSpace.load("small")
    archs = [space.sample(i) for i in range(8)]
    rows = [("4MFLOPs", "default" if i % 2 else fool.RANDOM, a) for i, a in enumerate(archs)]
    accuracy = {a.hash: 0.9 if i % 2 else 0.8 for i, a in enumerate(archs[:6])}
    text = fool.report(rows, accuracy).splitlines()
    assert len(text) == 4
    assert "| default | 3 |" in text[3]
    assert "| +10.00 | +10.00 to +10.00 |" in text[3]


def test_a_search_led_by_a_good_score_loses_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground_truth_search, "RESAMPLES", 8)
    rng = np.random.default_rng(0)
    accuracy = rng.uniform(0.8, 0.9, 60)
    scores = {"good": accuracy + rng.normal(0, 0.005, 60), "bad": -accuracy}
    found = regrets(accuracy, scores, {"good": scores["good"]})
    means = {name: [mean for mean, *_ in cells] for name, cells in found.items()}
    assert means["good"][1] < means["random"][1] < means["bad"][1]
    assert means["model"][-1] < means["random"][-1]
    assert all(np.all(np.diff(m) <= 0) for m in means.values())


def test_the_model_trains_no_network_twice() -> None:
    rng = np.random.default_rng(0)
    half = np.arange(0, 50, 2)
    order = bayesian(rng.random((50, 2)), rng.random(50), None, half, rng)
    assert len(set(order)) == len(order) == max(TRAININGS)
    assert set(order) <= set(half)


def test_a_regression_learns_what_no_single_measure_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground_truth_search, "RESAMPLES", 8)
    parts = np.random.default_rng(0).random((3, 80))
    found = regressions(parts.sum(0), dict(zip("abc", parts, strict=True)))
    assert list(found) == ["regression", "best single measure", "c"]
    for count in REGRESSED:
        assert found["regression"][count] > 0.95
        assert 0.3 < found["best single measure"][count] < 0.8
