"""Comparisons: one scale for all studies, counted against their definition, and rank tests."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nas.proxies import Combiner
from nas.study import Driver, Study
from nas.study.compare import (
    Curve,
    Interval,
    by_sampler,
    curves,
    rank_test,
    study_of,
    trials_to_reach,
)
from nas.study.hypervolume import hypervolume
from nas.study.reference import SCORES
from nas.study.trials import SETTINGS
from nas.support.errors import NasError

TRIALS = 12


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    folder = str(tmp_path_factory.mktemp("studies"))
    found = []
    for seed in (0, 1):
        for sampler in ("nsga2", "random"):
            study = made(folder, sampler=sampler, seed=seed)
            Driver(study).run(TRIALS)
            found.append(study)
    return found


def made(folder: str, budget: str = "15M", **options: Any) -> Study:
    return study_of(
        "jetson", [budget], "small", storage=folder, proxies=["entropy", "channels"], **options
    )


def test_a_seed_has_one_reference_sample(studies: list[Study]) -> None:
    first, second, third, _ = studies
    assert first.sample.scores == second.sample.scores != third.sample.scores
    assert [t.params for t in first.reference_trials] == [t.params for t in second.reference_trials]


def test_curves_are_the_best_and_the_hypervolume_so_far(studies: list[Study]) -> None:
    samples = studies[0].sample.scores + studies[2].sample.scores
    combiner = Combiner(["entropy", "channels"]).fit(samples)
    networks = [*studies[0].reference_trials, *studies[2].reference_trials]
    worst = np.array([-min(combiner.score(s) for s in samples), max(t.values[1] for t in networks)])
    for study, curve in zip(studies, curves(studies), strict=True):
        records = study.records()
        points = np.array([[-combiner.score(r.scores), r.latency_ms] for r in records])
        assert (curve.sampler, curve.seed) == (study.settings.sampler, study.settings.seed)
        for n in range(1, TRIALS + 1):
            assert curve.best[n - 1] == -points[:n, 0].min()
            assert curve.hypervolume[n - 1] == pytest.approx(hypervolume(points[:n], worst))
        assert (np.diff(curve.seconds) > 0).all()


def test_scores_of_one_sample_are_the_study_s_own(studies: list[Study]) -> None:
    (curve,) = curves(studies[:1])
    assert curve.best[-1] == pytest.approx(studies[0].record().score)


def test_what_was_begun_is_gone_on_with(studies: list[Study]) -> None:
    folder = studies[0].storage.location
    again = made(folder, sampler="nsga2", seed=0)
    assert again.name == studies[0].name
    assert len(again.trials()) == TRIALS


def test_studies_that_do_not_compare(studies: list[Study], tmp_path: Path) -> None:
    other = made(str(tmp_path), budget="20M", sampler="random", seed=0)
    with pytest.raises(NasError, match="differ in budgets: 20M and 15M"):
        curves([studies[0], other])
    empty = made(str(tmp_path), sampler="random", seed=0)
    with pytest.raises(NasError, match="has no finished trial yet"):
        curves([studies[0], empty])


def test_other_objectives_proxies_or_spaces_are_other_studies(tmp_path: Path) -> None:
    made(str(tmp_path))
    other = study_of(
        "jetson", ["15M"], "small", storage=str(tmp_path), proxies=["params"], objectives=["macs"]
    )
    assert (other.settings.proxies, other.settings.objectives) == (("params",), ("macs",))
    space = tmp_path / "small.yaml"
    space.write_text(yaml.safe_dump(other.space.to_dict() | {"resolution": 32}))
    with pytest.raises(NasError, match="was begun with another space"):
        study_of(
            "jetson", ["15M"], str(space), storage=str(tmp_path), proxies=["entropy", "channels"]
        )


def test_a_study_of_before_reference_networks_goes_on_but_does_not_compare(tmp_path: Path) -> None:
    study = made(str(tmp_path), sampler="nsga2")
    Driver(study).run(2)
    kept = json.loads(study.settings.model_dump_json())
    for later in ("objectives", "start_from", "cascade", "space_file"):
        del kept[later]
    attributes = {SETTINGS: json.dumps(kept), SCORES: study.sample.scores}
    study.storage.create("old", attributes, study.directions)
    old = Study.load("old", str(tmp_path))
    old.optuna.add_trials(study.trials())
    assert Driver(old).run(4) == "finished"
    with pytest.raises(NasError, match="keeps no random networks"):
        curves([old])


def curve(sampler: str, seed: int, values: list[float]) -> Curve:
    array = np.array(values)
    return Curve(sampler, seed, array, array, np.arange(1.0, len(values) + 1))


def test_trials_to_reach_a_goal() -> None:
    group = [curve("a", 0, [1, 3, 5]), curve("a", 1, [1, 2, 2])]
    assert trials_to_reach(group, {0: 3.0, 1: 2.5}) == [2.0, float("inf")]


def rank_sum(a: list[Curve], b: list[Curve]) -> float:
    """The exact p of two groups of which one beats the other but for ties between none."""
    x, y = ([float(c.best[0]) for c in group] for group in (a, b))
    values, size = [*x, *y], len(y)
    beaten = sum(v < w for v in x for w in y)

    def statistic(chosen: tuple[int, ...]) -> int:
        rest = [values[i] for i in range(len(values)) if i not in chosen]
        return sum(v < values[i] for v in rest for i in chosen)

    found = [statistic(chosen) for chosen in combinations(range(len(values)), size)]
    below, above = sum(s <= beaten for s in found), sum(s >= beaten for s in found)
    return 2 * min(below, above) / len(found)


def test_rank_tests_are_exact_for_few_seeds() -> None:
    better = [curve("a", seed, [10.0 + seed]) for seed in range(10)]
    worse = [curve("b", seed, [seed / 2]) for seed in range(10)]
    paired = rank_test(better, worse, "best", 1)
    assert paired.name == "Wilcoxon"
    assert paired.p == pytest.approx(2 / 2**10)
    apart = rank_test(better, worse[:4], "best", 1)
    assert apart.name == "Mann–Whitney"
    assert apart.p == pytest.approx(rank_sum(better, worse[:4]))
    assert rank_test(better, better, "best", 1).p == 1
    assert rank_test(better[:1], worse[:1], "best", 1).p == 1


def test_intervals_and_groups() -> None:
    assert Interval.of(range(11)) == (5, 1, 9)
    found = [curve("b", 1, [1]), curve("a", 0, [2]), curve("b", 0, [3])]
    assert {k: [c.seed for c in v] for k, v in by_sampler(found).items()} == {"b": [0, 1], "a": [0]}
