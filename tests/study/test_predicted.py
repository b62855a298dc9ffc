"""Studies scored by predicted accuracy; what is best of them, and which finalists they have."""

from __future__ import annotations

import json
from dataclasses import replace
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Run

import nas
from nas.architecture import Architecture
from nas.space import SearchSpace
from nas.study import Driver, Record, Study, begin, search
from nas.study.best import TIE, best, lost
from nas.study.choosing import finalists, spread
from nas.study.storage.storage import Storage
from nas.study.trials import SETTINGS

OPTIONS: dict[str, Any] = {"target": "jetson", "budgets": ["8MFLOPs"], "space": "small"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = str(tmp_path_factory.mktemp("studies"))
    return search(**OPTIONS, storage=folder, trials=150, name="s")


def _record(trial: int, accuracy: float, latency: float, out: int = 8) -> Record:
    row = {"kind": "conv", "out": out}
    arch = Architecture.from_dict(
        {"resolution": 32, "stem": [row], "stages": [[row]], "head": [row]}
    )
    return Record(
        trial=trial, score=accuracy, macs=1, params=1, peak_bytes=1, latency_ms=latency,
        latency_interval_ms=(latency, latency), resolution=32, scores={},
        network=lambda: arch,
        accuracy_interval=(accuracy - 1, accuracy + 1),
    )  # fmt: skip


def test_trials_hold_the_models_predictions(study: Study) -> None:
    model = nas.AccuracyModel.load()
    for record in study.records():
        value, low, high = model.predict(record.arch)
        assert record.score == pytest.approx(value)
        assert record.accuracy_interval == pytest.approx((low, high))
    assert study.settings.proxies == ()
    assert study.settings.cascade == 1


def test_a_resumed_search_by_prediction_equals_an_uninterrupted_one(
    study: Study, tmp_path: Path
) -> None:
    begin(**OPTIONS, storage=str(tmp_path), trials=150, name="s")
    for goal in (1, 40, 150):
        Driver(Study.load("s", str(tmp_path))).run(goal)
    again = Study.load("s", str(tmp_path))
    assert [t.params for t in again.trials()] == [t.params for t in study.trials()]


def test_the_search_beats_what_it_begins_with(tmp_path: Path) -> None:
    longer = search("jetson", ["20MFLOPs"], "small", storage=str(tmp_path), trials=150)
    by_hand = max(record.score for record in longer.records() if record.like)
    assert max(record.score for record in longer.records()) > by_hand


def test_of_tied_networks_the_cheapest_is_best() -> None:
    odds = log(0.7 / 0.3)
    almost = 100 / (1 + exp(-(odds - 0.9 * TIE)))
    beyond = 100 / (1 + exp(-(odds - 1.1 * TIE)))
    records = [_record(0, 70, 9.0), _record(1, almost, 7.0), _record(2, beyond, 1.0)]
    assert best(records, ["latency"]).trial == 1
    assert lost(records[1], records[0]) == pytest.approx(0.9 * TIE)
    ranked = [replace(record, accuracy_interval=None) for record in records]
    assert best(ranked, ["latency"]).trial == 0  # of a score of proxies no error is known


def test_what_is_known_by_training_is_not_given_up_for_what_is_not() -> None:
    known = replace(_record(0, 70, 9.0), accuracy_interval=(69.5, 70.5))
    cheaper, as_sure = _record(1, 70, 1.0), replace(known, trial=2, latency_ms=8.0)
    assert best([known, cheaper], ["latency"]).trial == 0
    assert best([known, cheaper, as_sure], ["latency"]).trial == 2
    surer = replace(known, trial=3, score=69.8, latency_ms=7.0)
    assert best([_record(0, 70, 9.0), surer], ["latency"]).trial == 3


def test_finalists_are_no_clones() -> None:
    clones = [_record(i, 70 - i / 1000, 5.0) for i in range(5)]
    other, quick = _record(5, 69.5, 5.0, out=16), _record(6, 69.5, 3.0)
    poor = _record(7, 40, 1.0, out=24)
    chosen = finalists([*clones, other, quick, poor], ["latency"], 3)
    assert {record.trial for record in chosen} == {0, 5, 6}
    assert len(finalists(clones, ["latency"], 3)) == 1
    scored = [replace(record, accuracy_interval=None) for record in clones]
    assert finalists(scored, ["latency"], 3) == scored[:1]  # the Pareto front by the score


def test_what_is_known_is_not_chosen_again(study: Study) -> None:
    records = study.records()
    assert spread([], ["latency"], 5, 0.2) == []
    first = {r.trial for r in spread(records, ["latency"], 5, 0.2, uncertain=True)}
    then = {r.trial for r in spread(records, ["latency"], 5, 0.2, first, uncertain=True)}
    assert len(first) == len(then) == 5
    assert not first & then


def test_all_trials_are_predicted_anew_by_what_is_learned(tmp_path: Path) -> None:
    study = search(**OPTIONS, storage=str(tmp_path), trials=40, name="s")
    rng = np.random.default_rng(0)
    before = {record.trial: record.score for record in study.records()}
    some = study.records()[:8]
    measured = [(record.arch, float(rng.uniform(60, 90))) for record in some]
    study.learn(measured)
    again = Study.load("s", str(tmp_path))
    model = nas.AccuracyModel.load().adapt([(arch, value / 100) for arch, value in measured])
    for record in again.records():
        assert record.score == pytest.approx(100 * model.predict(record.arch).value, rel=1e-5)
        assert record.score != before[record.trial]
    Driver(again).run(45)
    for record in again.records()[40:]:
        assert record.score == pytest.approx(100 * model.predict(record.arch).value, rel=1e-5)


def test_a_study_of_an_older_version_keeps_its_space_and_score(tmp_path: Path) -> None:
    made = begin(**OPTIONS, storage=str(tmp_path), proxies=["entropy"], name="new")
    kept = json.loads(made.settings.model_dump_json())
    for name in ("families", "learn", "train_minutes"):
        del kept[name]
    for name in ("narrowest", "narrowest_share"):
        del kept["space"][name]
    Storage(str(tmp_path)).create("old", {SETTINGS: json.dumps(kept)}, made.directions)
    old = Study.load("old", str(tmp_path))
    assert isinstance(old.space, SearchSpace)
    assert (old.space.settings.narrowest, old.space.settings.narrowest_share) == (1, 0)
    Driver(old).run(5)
    assert all(set(record.scores) == {"entropy"} for record in old.records())
    assert not any(record.like for record in old.records())


def test_what_is_shown_is_called_a_prediction(run: Run) -> None:
    words = "search --target jetson --space small --budget 8MFLOPs --trials 30 --study s"
    code, out, err = run(*words.split())
    assert code == 0
    assert "best predicted accuracy" in err
    assert "predicted accuracy: what the top-1 in percent would be on" in out
    assert "score" not in out.replace("scored", "")
    shown = json.loads(run("show", "s", "--json")[1])
    assert "score" not in shown["best"]
    low, high = shown["best"]["predicted_accuracy_interval"]
    assert low < shown["best"]["predicted_accuracy"] < high
    assert len(shown["hypervolume"]) == 30


def test_a_cascade_without_proxies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(nas.NasError, match="cascade 8: it saves runs of proxies"):
        begin(**OPTIONS, storage=str(tmp_path), cascade=8)
