"""`nas describe` says what accuracy is predicted, of what, and what each part gives to it."""

from __future__ import annotations

import json
import subprocess
import sys
from math import log
from pathlib import Path
from typing import Any

import pytest
from commands import Run

import nas
from nas.study import Study, begin

SMALL: dict[str, Any] = {"target": "jetson", "budgets": ["2MFLOPs"], "space": "small", "seed": 1}


def described(run: Run, *words: str) -> dict[str, Any]:
    code, out, _ = run("describe", *words, "--target", "jetson", "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


def check_adds_up(accuracy: dict[str, Any]) -> None:
    share = accuracy["value"] / 100
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]
    total = sum(part["log_odds"] for part in accuracy["parts"])
    assert total == pytest.approx(log(share / (1 - share)), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "of"), [("mobilenet_v2_100", "ImageNet"), ("mlperf_tiny_resnet8", "CIFAR-10")]
)
def test_a_published_network_has_the_accuracy_of_a_benchmark(run: Run, name: str, of: str) -> None:
    accuracy = described(run, name)["predicted_accuracy"]
    assert accuracy["value"] == pytest.approx(
        nas.AccuracyModel.load().predict(nas.reference(name)).value
    )
    assert (accuracy["of"], accuracy["learned_from"]) == (of, 0)
    check_adds_up(accuracy)
    out = run("describe", name)[1]
    printed = " ".join(out.split())
    assert f"predicted accuracy, not measured: {accuracy['value']:.1f}%, 90% interval" in printed
    assert f"would be on {of} by a published recipe" in printed
    assert "for other data the value does not" in printed
    table = [line.split() for line in out.split("──\n")[1].splitlines()]
    for part, row in zip(accuracy["parts"], table, strict=False):
        assert row[:2] == [part["part"], f"{part['log_odds']:+.2f}"]


def test_the_latency_of_the_parts_is_that_of_their_layers(run: Run) -> None:
    facts = described(run, "resnet18")
    out = run("describe", "resnet18", "--target", "jetson")[1]
    table = [line.split() for line in out.split("──\n")[1].split("\n\n")[0].splitlines()]
    of_parts = sum(float(row[3]) for row in table if row[0] != "rest")
    assert of_parts + facts["constant_ms"] == pytest.approx(facts["latency_ms"], rel=0.01)


def test_a_study_that_has_learned_predicts_by_what_it_learned(run: Run, tmp_path: Path) -> None:
    study = begin(**SMALL, data="digits", trials=8, name="s")
    nas.study.resume(study)
    trials = {record.trial: record for record in study.records()}
    before = described(run, "s:3")["predicted_accuracy"]
    assert before["value"] == pytest.approx(trials[3].score, rel=1e-5)
    assert before["of"] == "CIFAR-10"
    steps = study.settings.training_steps
    assert f"on CIFAR-10 after {steps} steps" in " ".join(run("describe", "s:3")[1].split())

    study.learn([(record.arch, 60 + 2.0 * trial) for trial, record in trials.items()])
    after = described(run, "s:3")["predicted_accuracy"]
    (shown,) = (r for r in Study.load("s").records() if r.trial == 3)
    assert after["value"] == pytest.approx(shown.score, rel=1e-5)
    assert abs(after["value"] - 66) < 8 < abs(before["value"] - after["value"])
    assert (after["of"], after["learned_from"]) == ("digits", 8)
    check_adds_up(after)
    printed = " ".join(run("describe", "s:3")[1].split())
    assert "on digits, learned from 8 networks trained on it" in printed
    assert "published recipe" not in printed
    best = described(run, "s")["predicted_accuracy"]["parts"]
    table = run("show", "s")[1].split("part by part")[1].split("──\n")[1]
    for part, row in zip(best, table.splitlines(), strict=False):
        assert row.split()[:2] == [part["part"], f"{part['log_odds']:+.2f}"]


def test_of_a_score_of_proxies_no_accuracy_is_explained(run: Run, tmp_path: Path) -> None:
    study = begin(**SMALL, proxies=["entropy"], trials=3, name="p")
    nas.study.resume(study)
    assert "part by part" not in run("show", "p")[1]


def test_it_loads_no_torch() -> None:
    program = """if True:
        import sys
        from nas.cli.main import main
        sys.argv = ["nas", "describe", "mobilenet_v2_100", "--target", "jetson"]
        try:
            main()
        finally:
            assert not {"torch", "onnxruntime"} & {*sys.modules}
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
