"""What samplers propose: evolution's children, the cascade's choice, warm starts."""

from __future__ import annotations

import json
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import create_trial

import nas
from nas.space.nearest import nearest
from nas.study import Driver, Study, begin, search
from nas.study.hypervolume import hypervolume
from nas.study.objectives import Aim, trial_losses
from nas.study.samplers import SAMPLERS
from nas.study.samplers.cascade import features
from nas.study.samplers.kinds.evolution import POPULATION, EvolutionSampler

# Not analytic, so that evolution screens, but as quick as such a proxy can be.
OPTIONS: dict[str, Any] = {"target": "jetson", "budgets": ["15M"], "space": "small"}
TINY = """
name: tiny
classes: 4
resolution: 16
stem: [{kind: conv, out: [8, 16]}]
stages: [{block: depthwise, width: [8, 16], depth: [1, 2]}]
head: [{kind: conv, out: [8, 16], kernel: 1}, {kind: gap}, {kind: linear, out: classes}]
"""


def sphere(trial: optuna.Trial) -> tuple[float, float]:
    x = [trial.suggest_int(f"x{i}", 0, 9) for i in range(10)]
    return -float(sum((v - 7) ** 2 for v in x)), float(sum(x))


def test_a_child_is_its_parent_but_for_a_few_options() -> None:
    sampler = EvolutionSampler(seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(sphere, n_trials=1)
    parent = study.trials[0]
    found = [sampler.sample_relative(study, parent, parent.distributions) for _ in range(200)]
    assert all(v == parent.params[k] for child in found for k, v in child.items())
    open_options = [len(parent.params) - len(child) for child in found]
    assert min(open_options) >= 1
    assert 3 <= np.mean(open_options) <= 5


def test_evolution_is_an_optuna_sampler_that_beats_random_search() -> None:
    def volume(sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        study.optimize(sphere, n_trials=150)
        return hypervolume(trial_losses(study.trials, study.directions), np.array([200.0, 90.0]))

    ours = [volume(EvolutionSampler(seed=seed)) for seed in range(3)]
    random = [volume(optuna.samplers.RandomSampler(seed=seed)) for seed in range(3)]
    assert min(ours) > max(random)


def test_the_old_die() -> None:
    space: Any = {name: optuna.distributions.IntDistribution(0, 9) for name in ("x", "y")}

    def finished(x: int, score: float) -> optuna.trial.FrozenTrial:
        return create_trial(params={"x": x, "y": x}, distributions=space, values=[score, 1.0])

    ancestors = [finished(1, 100.0), *[finished(2, 0.0)] * POPULATION]
    sampler = EvolutionSampler(0, ancestors)
    study = optuna.create_study(directions=["maximize", "minimize"])
    children = [sampler.sample_relative(study, ancestors[0], space) for _ in range(50)]
    assert {v for child in children for v in child.values()} == {2}


def test_the_mean_of_aims_is_the_hypervolume() -> None:
    """Golovin and Zhang 2020, two objectives: hypervolume = (pi/4) E[max over points of s^2]."""
    points = np.array([[0.1, 0.8], [0.4, 0.3], [0.9, 0.2]])
    rng, ends = np.random.default_rng(0), np.array([[1.0, 1.0], [0.0, 0.0]])
    aims = [Aim.drawn(rng, ends) for _ in range(20_000)]
    both = [a for a in aims if a.direction[1] > 0]
    assert 0.08 < 1 - len(both) / len(aims) < 0.12  # the rest look at the score alone
    mean = np.mean([max(0.0, a.reached(points).max()) ** 2 for a in both])
    exact = 0.9 * 0.2 + 0.6 * 0.5 + 0.1 * 0.1
    assert mean * np.pi / 4 == pytest.approx(exact, rel=0.03)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = str(tmp_path_factory.mktemp("studies"))
    return search(**OPTIONS, storage=folder, trials=40, proxies=["synflow"], name="old")


def test_evolution_screens_and_learns_the_score(study: Study) -> None:
    assert study.settings.sampler == "evolution"
    assert study.settings.cascade == 32
    known, rng = study.reference_trials, np.random.default_rng(0)
    assert len(known) == 64
    combiner = study.combiner()
    assert combiner is not None
    random = [c for c in (study.candidates.feasible({}, rng) for _ in range(400)) if c]
    picked = [study.screen.pick(random[i : i + 20], known, rng) for i in range(0, 400, 20)]
    from nas.proxies import evaluate

    def mean(some: list[Any]) -> float:
        found = [evaluate(c.arch, study.settings.proxies) for c in some]
        return float(np.mean([combiner.score(scores) for scores in found]))

    assert mean(picked) > mean(random[::20])


@pytest.mark.parametrize("sampler", ["evolution", "nsga2"])
def test_a_resumed_cascade_equals_an_uninterrupted_one(sampler: str, tmp_path: Path) -> None:
    for name, goals in (("whole", (30,)), ("parts", (1, 12, 30))):
        begin(
            **OPTIONS, storage=str(tmp_path), name=name, sampler=sampler, cascade=8,
            proxies=["entropy", "channels"],
        )  # fmt: skip
        for goal in goals:
            Driver(Study.load(name, str(tmp_path))).run(goal)
    whole, parts = (Study.load(name, str(tmp_path)).trials() for name in ("whole", "parts"))
    assert [t.params for t in whole] == [t.params for t in parts]


def test_the_features_are_those_of_the_whole_network(study: Study) -> None:
    candidate = study.candidates.make(study.trials()[0].params)
    graph = candidate.arch.graph()
    channels = sum(node.shape[0] for node in graph.nodes if node.op == "conv")
    assert np.exp(features(candidate)[4]) == pytest.approx(channels + 1)


def test_a_score_of_zero_is_screened_too(study: Study) -> None:
    rng = np.random.default_rng(0)
    zero = [copy(t) for t in study.reference_trials]
    zero[0].values = [0.0, zero[0].values[1]]
    some = [c for c in (study.candidates.feasible({}, rng) for _ in range(20)) if c]
    with np.errstate(all="raise"):
        assert study.screen.pick(some, zero, rng) in some


def test_random_search_takes_no_cascade(tmp_path: Path) -> None:
    with pytest.raises(nas.NasError, match="sampler 'random' proposes without one"):
        begin(**OPTIONS, storage=str(tmp_path), sampler="random", cascade=4)
    plain = begin(**OPTIONS, storage=str(tmp_path), sampler="random")
    assert plain.settings.cascade == 1


@pytest.mark.parametrize("objectives", [["macs"], ["latency", "memory", "params"]])
def test_values_are_the_score_and_the_objectives(objectives: list[str], tmp_path: Path) -> None:
    found = search(
        **OPTIONS, storage=str(tmp_path), trials=30, proxies=["entropy"], objectives=objectives
    )
    names = {"latency": "latency_ms", "memory": "peak_bytes"}
    for trial, record in zip(found.trials(), found.records(), strict=True):
        costs = [getattr(record, names.get(o, o)) for o in objectives]
        assert trial.values == [record.score, *costs]
    assert {t.number for t in found.optuna.best_trials} == {r.trial for r in found.pareto()}


def test_a_search_starts_from_an_older_study_and_a_file(study: Study, tmp_path: Path) -> None:
    best = max((r for r in study.records() if not r.like), key=lambda record: record.score)
    file = tmp_path / "arch.json"
    file.write_text(best.arch.to_json())
    warm = begin(
        **OPTIONS,
        storage=study.storage.location,
        proxies=["entropy"],
        start_from=[str(file), "old", "mobilenet_v2_100"],
    )
    first = [warm.candidates.make(params) for params in warm.settings.start_from]
    assert first[0].arch == best.arch
    of_space = {r.arch for r in study.pareto() if not r.like} | {best.arch}
    assert of_space <= {c.arch for c in first[:-1]}
    assert len(first) <= len(of_space) + sum(bool(r.like) for r in study.pareto()) + 1
    assert all(not warm.candidates.excess(c) for c in first)
    Driver(warm).run(len(first) + 3)
    assert [r.arch for r in warm.records()][: len(first)] == [c.arch for c in first]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mobilenet_v2_10", "did you mean 'mobilenet_v2_1"),
        ({"resolutoin": 28}, "did you mean 'resolution'"),
        ({"resolution": 29}, "resolution 29 is none of 28, 32, 48, 64"),
        ("absent.json", "absent.json"),
    ],
)
def test_what_no_search_can_start_from(source: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(nas.NasError, match=message):
        begin(**OPTIONS, storage=str(tmp_path), start_from=[source])


def test_the_nearest_network_of_a_space() -> None:
    space = nas.SearchSpace.load("mobile")
    inside = space.sample(3)
    assert space.decode(nearest(space, inside)) == inside
    theirs = nas.reference("mobilenet_v2_100")
    near = space.decode(nearest(space, theirs))
    assert near.resolution == 224
    kinds = [row.kind for stage in near.stages for row in stage]
    assert kinds.count("inverted") > len(kinds) / 2
    assert 0.5 < nas.cost(near).macs / nas.cost(theirs).macs < 2


@pytest.mark.parametrize("sampler", sorted(SAMPLERS.keys() - {"gp"}))  # it is no quick one
def test_a_small_space_is_exhausted_and_its_optimum_found(sampler: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    small = begin("jetson", (), path, storage=str(tmp_path), sampler=sampler, proxies=["entropy"])
    assert Driver(small).run(10_000) == "exhausted"
    space = nas.SearchSpace.load(path)
    archs = {space.sample(seed).hash: space.sample(seed) for seed in range(500)}
    assert len(archs) == space.size == 16
    assert {t.user_attrs["hash"] for t in small.trials()} == set(archs)
    from nas.proxies import evaluate

    best = max(evaluate(arch, ["entropy"])["entropy"] for arch in archs.values())
    assert evaluate(small.record().arch, ["entropy"])["entropy"] == best


def test_settings_are_stored_as_json(study: Study) -> None:
    stored = json.loads(study.settings.model_dump_json())
    assert stored["objectives"] == ["latency"]
    assert stored["cascade"] == 32
