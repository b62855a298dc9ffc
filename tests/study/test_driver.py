"""Searches: within budget, without repeats, the same after any interruption."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from optuna.trial import TrialState
from studies import take_reference

import nas
from nas.proxies import evaluate, registry
from nas.proxies.probe import Probe
from nas.report.study import study_report
from nas.study import Driver, Study, begin, search
from nas.study.driver import REFERENCE_SIZE
from nas.study.failures import Failures
from nas.study.samplers import SAMPLERS
from nas.study.workers.executors import InlineExecutor
from nas.support.errors import NasError

OPTIONS: dict[str, Any] = {"proxies": ["entropy"]}

CHILD = """
import sys
from nas.study import Driver, Study
study = Study.load("killed", sys.argv[1])
def report(progress):
    if progress.phase == "search" and progress.trials:
        print(progress.trials - 1, flush=True)
Driver(study, report=report).run(10**6)
"""

TINY = """
name: tiny
classes: 4
resolution: 16
stem: [{kind: conv, out: [8, 16]}]
stages: [{block: depthwise, width: [8, 16], depth: [1, 2]}]
head: [{kind: conv, out: [8, 16], kernel: 1}, {kind: gap}, {kind: linear, out: classes}]
"""


def rows(study: Study) -> list[tuple[Any, ...]]:
    return [(t.number, t.params, t.values, t.user_attrs["hash"]) for t in study.trials()]


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_every_trial_is_within_budget_new_and_scored(sampler: str, tmp_path: Path) -> None:
    trials = 15 if sampler == "gp" else 70  # it takes long over a proposal
    study = search(
        "jetson",
        ["15M", "1ms"],
        "small",
        storage=str(tmp_path),
        sampler=sampler,
        trials=trials,
        **OPTIONS,
    )
    records = study.records()
    assert len(records) == trials
    assert len({t.user_attrs["hash"] for t in study.trials()}) == trials
    combiner = study.combiner()
    assert combiner is not None
    for record in records:
        arch, latency = record.arch, study.target.predict(record.arch)
        assert record.macs == nas.cost(arch).macs <= 15e6
        assert record.latency_ms == pytest.approx(latency.ms)
        assert latency.ms <= 1
        assert record.score == pytest.approx(combiner.score(evaluate(arch, ["entropy"])))
    assert all(not any(v > 0 for v in t.constraints.values()) for t in study.trials())


def test_repeats_are_not_evaluated_twice(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)

    class Counting(ThreadPoolExecutor):
        hashes: list[str] = []

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            self.hashes.append(args[0].hash)
            return super().submit(fn, *args, **kwargs)

    study = begin("jetson", (), path, storage=str(tmp_path), **OPTIONS)
    with Counting(3) as executor:
        assert Driver(study, executor, slots=3).run(60) == "exhausted"
    searched = executor.hashes[REFERENCE_SIZE:]  # after the reference sample
    assert len(searched) == len(set(searched)) == len(study.trials()) == 16


def test_a_space_of_one_network_is_searched(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(TINY.replace("[8, 16]", "8").replace("[1, 2]", "1"))
    study = begin("jetson", (), path, storage=str(tmp_path), **OPTIONS)
    assert Driver(study).run(5) == "exhausted"
    assert [r.arch for r in study.records()] == [nas.SearchSpace.load(path).sample(0)]


def test_an_undefined_score_fails_the_trial_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picky(probe: Probe) -> float:
        assert probe.arch is not None
        return float("nan") if probe.arch.resolution == 28 else 1.0

    monkeypatch.setitem(registry.PROXIES, "picky", registry.Proxy("picky", "none", picky))
    study = search("jetson", ["20M"], "small", storage=str(tmp_path), trials=40, proxies=["picky"])
    failed = [t for t in study.trials() if t.state == TrialState.FAIL]
    assert failed
    assert {t.user_attrs["reason"] for t in failed} == {"proxy 'picky' gave nan"}
    assert all(t.params["resolution"] == 28 for t in failed)
    assert all(r.resolution != 28 for r in study.records())
    assert len(study.trials()) == 40


def test_why_trials_failed_is_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picky(probe: Probe) -> float:
        assert probe.arch is not None
        return float("no" if probe.arch.resolution == 28 else 1)

    monkeypatch.setitem(registry.PROXIES, "picky", registry.Proxy("picky", "none", picky))
    words = ("--target", "jetson", "--budget", "20M", "--space", "small", "--study", "s")
    run("search", *words, "--proxies", "picky", "--trials", "2")  # hand-scaled ones, of 28 px
    reason = "proxy 'picky' failed: ValueError: could not convert string to float: 'no'"
    assert f"study 's' has no scored trial: 2 trials failed: {reason}" in run("show", "s")[2]
    code, out, _ = run("resume", "s", "--trials", "40")
    failures = Study.load("s").tally().failures
    assert code == 0
    told = f"{failures.count} trials failed: {reason}"
    assert told in out.splitlines()
    assert escape(told) in study_report(Study.load("s"))[0]

    def broken(probe: Probe) -> float:
        raise KeyError("abc")

    monkeypatch.setitem(registry.PROXIES, "broken", registry.Proxy("broken", "none", broken))
    code, out, err = run("search", *words[:-1], "t", "--proxies", "broken", "--trials", "20")
    assert (code, out) == (2, "")
    said = "256 random networks failed: proxy 'broken' failed: KeyError: 'abc'"
    assert f"the score is undefined for most networks of the space: {said}" in err


def test_the_commonest_of_many_reasons_is_told() -> None:
    failures = Failures()
    assert failures.told("trials") == ""
    for number in range(300):
        failures.add("shape" if number % 3 else f"another {number}")
    assert failures.told("trials") == "300 trials failed, 200 of them: shape"


def test_what_a_study_names_must_be_registered_before_it_is_driven(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook's proxy and sampler are in no plugin, which another process could load."""
    registries: dict[str, dict[str, Any]] = {"proxy": registry.PROXIES, "sampler": SAMPLERS}
    for what, known in registries.items():
        with monkeypatch.context() as notebook:
            like = known["entropy" if what == "proxy" else "random"]
            notebook.setitem(known, "mine", like._replace(name="mine"))
            own = {"proxies": ["mine"]} if what == "proxy" else {"sampler": "mine"}
            options = {**OPTIONS, **own, "name": what}
            study = begin("jetson", ["15M"], "small", storage=str(tmp_path / "studies"), **options)
            take_reference(study)
            Driver(study).run(2)
        code, out, err = run("resume", what, "--trials", "3")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"study '{what}': {what} 'mine' is unknown" in err
        again = Study.load(what, str(tmp_path / "studies"))
        with pytest.raises(NasError, match="'mine' is unknown"):
            Driver(again)
        assert len(again.trials()) == 2  # and it can still be looked at


def test_kill_9_loses_and_doubles_nothing(tmp_path: Path) -> None:
    begin("jetson", ["20M"], "small", name="killed", storage=str(tmp_path))
    rng, reported = random.Random(0), set()
    for _ in range(5):  # and a hundred times in scripts/kill_search.py
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        reported.add(int(child.stdout.readline()))
        time.sleep(rng.uniform(0, 0.5))
        child.send_signal(signal.SIGKILL)
        reported |= {int(line) for line in child.stdout.read().splitlines()}
        child.wait()
        study = Study.load("killed", str(tmp_path))
        numbers = [t.number for t in study.trials()]
        hashes = [t.user_attrs["hash"] for t in study.trials()]
        assert numbers == list(range(len(numbers)))
        assert reported <= set(numbers)
        assert len(set(hashes)) == len(hashes)
    assert len(numbers) >= 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_current_trial(number: int, tmp_path: Path) -> None:
    study = begin("jetson", ["20M"], "small", storage=str(tmp_path), **OPTIONS)
    driver = Driver(study)

    def interrupt(progress: Any) -> None:
        if progress.phase == "search" and progress.trials == 5:
            os.kill(os.getpid(), number)

    driver.report = interrupt
    before = signal.getsignal(number)
    assert driver.run(1000) == "interrupted"
    assert signal.getsignal(number) is before
    assert len(study.trials()) == 5
    assert Driver(Study.load(study.name, str(tmp_path))).run(8) == "finished"
    assert len(study.trials()) == 8


def test_another_table_than_the_study_began_with_is_refused(tmp_path: Path) -> None:
    study = search("jetson", ["20M"], "small", storage=str(tmp_path), trials=2, **OPTIONS)
    changed = study.settings.model_copy(update={"target_checksum": "another"})
    Study.create("other", changed, study.storage, study.candidates)
    other = Study.load("other", str(tmp_path))
    with pytest.raises(nas.NasError, match="has changed since the study began"):
        _ = other.target


def test_the_reference_sample_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    submitted: list[str] = []

    class Counting(InlineExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            submitted.append(args[0].hash)
            return super().submit(fn, *args, **kwargs)

    study = begin("jetson", ["20M"], "small", name="s", storage=str(tmp_path), **OPTIONS)
    driver = Driver(study, Counting())

    def interrupt(progress: Any) -> None:
        if progress.trials == 20:
            os.kill(os.getpid(), signal.SIGINT)

    driver.report = interrupt
    assert driver.run(2) == "interrupted"
    kept = len(Study.load("s", str(tmp_path)).sample.drawn())
    assert 20 <= kept == len(submitted) < REFERENCE_SIZE
    again = Study.load("s", str(tmp_path))
    assert Driver(again, Counting()).run(2) == "finished"
    assert len(submitted) == len(set(submitted)) == REFERENCE_SIZE + 2
    alone = begin("jetson", ["20M"], "small", name="alone", storage=str(tmp_path), **OPTIONS)
    Driver(alone).run(2)
    assert again.sample.scores == alone.sample.scores
    assert rows(again) == rows(alone)


def test_what_takes_too_long_after_a_signal_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.support.signals.GRACE_SECONDS", 0.2)
    study = begin("jetson", ["20M"], "small", storage=str(tmp_path), **OPTIONS)
    take_reference(study)

    class Endless(InlineExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            os.kill(os.getpid(), signal.SIGTERM)
            while True:
                time.sleep(0.01)

    before = signal.getsignal(signal.SIGALRM)
    assert Driver(study, Endless()).run(2) == "interrupted"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
