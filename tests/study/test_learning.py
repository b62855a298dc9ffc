"""A study learns from networks that it trains, whatever interrupts it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commands import Run

import nas
from nas.accuracy.regression import share_of
from nas.accuracy.table import read_accuracy_table
from nas.references.adapted import FAMILIES
from nas.study import Driver, Study, begin, partial_training
from nas.study.finalists import run_finalists
from nas.study.learning import LearningProgress, _chosen, learning_folder, run
from nas.study.partial_training import inferred, no_better_than_chance, train_part
from nas.study.rounds import read_rounds, trained
from nas.support.errors import NasError
from nas.training import Recipe, Trained
from nas.training.checks import Untrainable

OPTIONS: dict[str, Any] = {
    "target": "jetson",
    "budgets": ["0.6MFLOPs"],
    "space": "small",
    "data": "digits",
    "trials": 32,
    "recipe": Recipe(epochs=3, images=160, batch_size=32),
}
BRIEF = OPTIONS | {"recipe": Recipe(epochs=1, images=64, batch_size=32)}  # of what learns nothing

CHILD = """
import sys
from nas.study import Study
from nas.study.learning import run
def report(progress):
    print(progress.stage, progress.done, flush=True)
run(Study.load("killed"), 32, learning=report)
"""
pytestmark = pytest.mark.filterwarnings("ignore:none of .* is better than chance")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[LearningProgress]]:
    """The folder of an uninterrupted study of one round, and what it said."""
    folder = tmp_path_factory.mktemp("learned")
    before, said = Path.cwd(), list[LearningProgress]()
    os.chdir(folder)
    try:
        assert run(begin(**OPTIONS, name="whole", learn=8), 32, learning=said.append) == (
            "finished",
            0,
        )
    finally:
        os.chdir(before)
    return folder, said


def _open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(folder)
    return Study.load("whole")


def test_predictions_are_adapted_to_what_was_trained(
    learned: tuple[Path, list[LearningProgress]], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = _open(learned[0], monkeypatch)
    found = trained(study)
    assert len(found) == 8
    for trial, each in found.items():
        state = learning_folder(study) / f"trial-{trial}"
        if each.complete:
            assert each.accuracy == pytest.approx(100 * Trained.load(state).accuracy)
    assert sum(each.complete for each in found.values()) == 4 + 2
    shares = [(arch, accuracy / 100) for arch, accuracy in study.predictions.measured]
    assert study.settings.training_steps == study.settings.recipe.steps(160) == 15
    model = nas.AccuracyModel.load().trained_for(study.settings.training_steps).adapt(shares)
    for record in study.records():
        low, high = record.accuracy_interval or (0, 0)
        assert low < record.score < high
        assert record.score == pytest.approx(100 * model.predict(record.arch).value, rel=1e-5)


def test_what_ends_for_its_patience_counts_with_what_is_kept_of_it() -> None:
    recipe = Recipe(epochs=9, images=64, batch_size=32, patience=1)
    study = begin(**OPTIONS | {"recipe": recipe}, name="patient", learn=8)
    assert run(study, 32) == ("finished", 0)
    states = {t: learning_folder(study) / f"trial-{t}" for t in trained(study)}
    histories = [Trained.load(state).history for state in states.values()]
    assert min(map(len, histories)) < 3  # before the worse half is stopped
    for trial, each in trained(study).items():
        if each.complete:
            assert each.accuracy == pytest.approx(100 * Trained.load(states[trial]).accuracy)


def test_half_of_the_first_round_are_families_scaled_by_hand() -> None:
    study = begin(**OPTIONS | {"budgets": ["5MFLOPs"]}, name="families", learn=8)
    Driver(study).run(20)
    by_hand = [r for r in study.records() if r.like]
    chosen = study.records(_chosen(study, 0, 8))
    families = [name for r in chosen if r.like for name in FAMILIES if name in r.like.split()]
    assert len(chosen) == 8
    assert len(families) >= 4
    assert max(by_hand, key=lambda r: r.score) in chosen
    study.store(lambda: study.learn([(r.arch, 60.0 + i) for i, r in enumerate(chosen)]))
    others = study.records(_chosen(study, 0, 8))  # as if another study had trained them
    assert not {r.arch.hash for r in chosen} & {r.arch.hash for r in others}


def test_the_worse_half_stops_after_a_third(
    learned: tuple[Path, list[LearningProgress]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, said = learned
    assert [(p.stage, p.done, p.networks) for p in said] == [
        *(("to a third", i, 8) for i in range(1, 9)),
        *(("to the end", i, 4 + 2) for i in range(1, 7)),
    ]
    study = _open(folder, monkeypatch)
    (only,) = read_rounds(study)
    assert all(record.like for record in study.records(only["trials"][:4]))  # which go on
    early = {t: only["early"][str(t)] for t in only["trials"][4:]}
    complete = {t for t, each in trained(study).items() if each.complete}
    assert complete >= set(only["trials"][:4])
    others = complete & early.keys()
    assert min(early[t] for t in others) >= max(early[t] for t in early.keys() - others)


def test_what_was_trained_is_in_the_users_own_table(
    learned: tuple[Path, list[LearningProgress]], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = _open(learned[0], monkeypatch)
    (path,) = Path("accuracy_tables").glob("*.csv")
    table = read_accuracy_table(path)
    complete = {t: each.accuracy for t, each in trained(study).items() if each.complete}
    archs = {record.trial: record.arch for record in study.records()}
    expected = {archs[t].hash: accuracy for t, accuracy in complete.items()}
    assert {row.architecture().hash: row.accuracy for row in table.rows} == pytest.approx(
        expected, rel=1e-5
    )
    again = begin(**OPTIONS, name="again", learn=6)
    run(again, 1)
    assert len(again.predictions.measured) == 6 + 6  # the table's, before its own
    assert len({arch.hash for arch, _ in again.predictions.measured}) == 6 + 6


def test_a_killed_study_learns_what_an_uninterrupted_one_does(
    learned: tuple[Path, list[LearningProgress]], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(**OPTIONS, name="killed", learn=8)
    for moment in ("to a third 3", "to the end 2"):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if line.strip() == moment:
                    break
            child.send_signal(signal.SIGKILL)
    learn = Study.learn

    def killed_after(study: Study, measured: Any) -> None:
        learn(study, measured)
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        once.setattr(Study, "learn", killed_after)  # and the round is not finished
        with pytest.raises(KeyboardInterrupt):
            run(Study.load("killed"), 32)
    killed = Study.load("killed")
    assert run(killed, 32).how == "finished"
    assert len(killed.predictions.measured) == 8
    mine = [(t.params, t.values) for t in killed.trials()], trained(killed)
    whole = _open(learned[0], monkeypatch)
    assert mine == ([(t.params, t.values) for t in whole.trials()], trained(whole))


def test_minutes_of_training_are_kept_to() -> None:
    study = begin(**BRIEF, train_minutes=1e-6)
    run(study, 32)
    assert len(trained(study)) == 6  # the first round says what a network takes
    assert len(study.trials()) == 32


@pytest.mark.parametrize(
    ("learn", "minutes", "rounds"),
    [(4, 1e-6, [4]), (8, 1e-6, [6]), (24, 1e-6, [6]), (8, 1e6, [6, 2]), (13, 1e6, [6, 7])],
)
def test_of_networks_and_minutes_whichever_is_less(
    learn: int, minutes: float, rounds: list[int]
) -> None:
    study = begin(**BRIEF, learn=learn, train_minutes=minutes)
    run(study, 32)
    assert [len(each["trials"]) for each in read_rounds(study)] == rounds
    assert len(trained(study)) == sum(rounds)


def test_a_full_disk_ends_learning_and_not_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*job: object) -> list[object]:
        raise NasError("t: No space left on device")

    study = begin(**BRIEF, learn=6)
    with monkeypatch.context() as patched:
        patched.setattr(partial_training, "train_part", full)
        with pytest.raises(NasError, match="No space left"):
            run(study, 32)
    assert run(Study.load(study.name), 32).how == "finished"
    assert len(trained(study)) == 6


@pytest.mark.parametrize("reason", [Untrainable("it diverged"), MemoryError("it diverged")])
def test_a_round_of_which_nothing_can_be_trained_is_an_error(
    reason: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*job: object) -> list[object]:
        raise reason

    study = begin(**BRIEF, train_minutes=1e-6)
    with monkeypatch.context() as patched:
        patched.setattr(partial_training, "train_part", failing)
        with pytest.raises(NasError, match=r"none of the 6 networks .* trained: it diverged"):
            run(study, 32)
    assert not trained(study)
    run(Study.load(study.name), 32)  # the same round again
    assert len(read_rounds(study)[0]["complete"]) == 6


def test_what_fails_after_a_third_is_not_taken_for_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[LearningProgress] = []

    def out_of_memory(*job: Any) -> Any:
        if job[-1] == job[3].epochs and job[4].name.endswith(("1", "3", "5", "7", "9")):
            raise MemoryError
        return train_part(*job)

    monkeypatch.setattr(partial_training, "train_part", out_of_memory)
    study = begin(**OPTIONS, learn=8)
    run(study, 32, learning=said.append)
    each = read_rounds(study)[0]
    failed = [trial for trial in each["trials"] if trial % 2 and str(trial) in each["early"]]
    assert failed
    assert not {*failed} & {*each["complete"]}
    assert said[-1].failed == said[-1].networks - len(each["complete"]) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learn": 2}, "learn 2: must be at least 3"),
        ({"learn": 6, "proxies": ["params"]}, "it adapts predicted accuracy"),
        ({"learn": 6, "data": None}, "give a data set too"),
        ({"train_minutes": -1.0}, "train_minutes"),
    ],
)
def test_what_cannot_be_learned_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(nas.NasError, match=message):
        begin(**{**OPTIONS, **options})
    assert not Path("studies").exists()


@pytest.mark.parametrize("rate", [1e-7, 0.1])
def test_a_recipe_that_trains_nothing_is_told(run: Run, rate: float) -> None:
    recipe = Recipe(epochs=2, batch_size=16, images=480, lr=rate, warmup=0.1)
    Path("own.yaml").write_text(yaml.safe_dump(recipe.model_dump()))
    words = "search --target jetson --budget 0.6MFLOPs --space small --data digits --learn 3"
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        code, _, err = run(*words.split(), "--trials", "6", "--recipe", "own.yaml")
    lines = [line for line in err.splitlines() if "chance" in line]
    assert code == 0
    assert len(lines) == (rate < 1e-3)
    assert all("none of 3 trained networks is better than chance (10%): " in a for a in lines)


@pytest.mark.parametrize(
    ("classes", "images", "count"), [(2, 40, 1), (10, 359, 30), (100, 1000, 8)]
)
def test_guessing_networks_are_rarely_taken_for_learned(
    classes: int, images: int, count: int
) -> None:
    """Against guesses of images that are drawn; better by five deviations is no guess."""
    rng = np.random.default_rng(classes)
    draws = 100 * rng.binomial(images, 1 / classes, (2000, count)) / images
    told = np.mean([no_better_than_chance(list(row), classes, images) for row in draws])
    assert told > 0.94
    deviation = 100 * (1 / classes * (1 - 1 / classes) / images) ** 0.5
    better = [100 / classes] * (count - 1) + [100 / classes + 5 * deviation]
    assert not no_better_than_chance(better, classes, images)
    assert no_better_than_chance([0.0], classes, images)


def test_stopped_trainings_are_inferred_without_bias() -> None:
    rng = np.random.default_rng(0)
    early = rng.normal(1, 0.5, 400)
    final = 0.5 + 0.7 * early + rng.normal(0, 0.2, 400)
    best = early > np.median(early)
    pairs = list(zip(share_of(early[best]), share_of(final[best]), strict=True))
    found = inferred(dict(enumerate(map(float, share_of(early[~best])))), pairs)
    error = np.array(list(found.values())) - share_of(final[~best])
    assert abs(error.mean()) < 0.02
    assert inferred({1: 0.5}, pairs[:3]) == {}


def test_finalists_are_not_trained_again(
    learned: tuple[Path, list[LearningProgress]], tmp_path: Path
) -> None:
    shutil.copytree(learned[0], tmp_path, dirs_exist_ok=True)
    study = Study.load("whole")
    complete = read_rounds(study)[0]["complete"]
    study.settings = study.settings.model_copy(update={"finalists": 6})
    shown = list[int]()
    found = run_finalists(study, lambda record, number, count, progress: shown.append(record.trial))
    known = [f for f in found if f.record.trial in complete]
    assert known
    assert not set(shown) & set(complete)
    for finalist in known:
        assert not finalist.pruned
        before = Trained.load(learning_folder(study) / f"trial-{finalist.record.trial}")
        assert finalist.accuracy == before.accuracy
        assert Trained.load(finalist.folder).history == before.history
