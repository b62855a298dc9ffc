"""`nas measure` and `nas verify` as a user runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from commands import Run

from nas.latency.folders import own_targets
from nas.latency.table import read_table
from nas.latency.target import target_path


def test_a_bundle_there_and_back(run: Run, tmp_path: Path) -> None:
    few = ("--target", "board", "--space", "small", "--minutes", "0.03", "--precision", "int8")
    code, out, _ = run("measure", *few, "--bundle", "b")
    assert code == 0
    assert "b: 9 models" in out
    assert "python3 measure.pyz" in out
    words = [sys.executable, "-I", "measure.pyz"]
    subprocess.run(words, cwd=tmp_path / "b", check=True, capture_output=True)
    code, out, _ = run("measure", "--import", "b/results.csv")
    assert code == 0
    assert "1 thread(s), int8" in out
    assert "nas search --target board" in out
    assert len(read_table(own_targets() / "board.csv")) == 9
    facts = yaml.safe_load((own_targets() / "board.yaml").read_text())
    assert (facts["precision"], facts["provider"]) == ("int8", "CPUExecutionProvider")


def test_a_log_gets_a_line_a_batch(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.latency.runner.batches.BATCH", 6)
    code, out, err = run("measure", "--target", "jetson", "--space", "small", "--minutes", "0.001")
    assert code == 0
    assert "--target jetson means this target now, not the shipped jetson-agx-xavier" in err
    assert err.splitlines()[0].endswith("of 0:00 used, about 0:00 left")
    assert "noise of the measurement" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["measure"], "--target must name the target"),
        (["measure", "--target", "x", "--ssh", ""], "--ssh '' must be a host"),
        (["measure", "--target", "x", "--threads", "99999"], "threads 99999: this machine has"),
        (["measure", "--target", "x", "--folder", os.devnull], "is no folder"),
        (["measure", "--target", "x", "--provider", "gpu0"], "'gpu0' is not available"),
        (["measure", "--target", "x", "--provider", "gpu0"], "CPUExecutionProvider"),
        (["measure", "--target", "x", "--precision", "int4"], "one of fp32, int8, not 'int4'"),
        (["measure", "--target", "x", "--threads", "0"], "nas: --threads 0: must be at least 1\n"),
        (["measure", "--target", "x", "--ssh", "h", "--bundle", "b"], "--ssh and --bundle exclude"),
        (["measure", "--target", "Bad Name", "--bundle", "b"], "'Bad Name' must be of lower-case"),
        (["measure", "--target", "x", "--bundle", "."], ". exists and is no empty folder"),
        (["measure", "--target", "x", "--ssh", "-h"], "must be a host"),
        (["measure", "--import", "none.csv"], "none.csv: No such file"),
        (["measure", "--models", ".", "--import", "r.csv"], "but --import times nothing"),
        (
            [
                "measure",
                "--target",
                "x",
                "--models",
                ".",
                "--runtime",
                "vela",
                "--accelerator",
                "a",
            ],
            "but --runtime vela times nothing",
        ),
        (["verify", "none"], "'none'"),
        (["verify", "resnet18", "--ssh-option", "Port=1"], "--ssh-option Port=1: --ssh must name"),
        (["verify", "resnet18", "--python", "py"], "--python py: --ssh must name the machine"),
        (["measure", "--target", "x", "--ssh-option", "Port=1"], "--ssh-option Port=1: --ssh must"),
        (
            ["measure", "--target", "x", "--bundle", "b", "--python", "py"],
            "--python py: --ssh must",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    run: Run, tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "file").touch()
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_verify_times_a_network_on_another_machine(
    run: Run, tmp_path: Path, server: tuple[str, list[str], Path]
) -> None:
    host, options, home = server
    before = sorted(home.iterdir())  # other tests' own
    words = ["verify", "squeezenet1_1", "--target", "jetson", "--ssh", host]
    words += ["--python", sys.executable, "--minutes", "0.001"]
    words += [word for option in options for word in ("--ssh-option", option)]
    code, out, err = run(*words)
    assert code == 0, err
    assert f"squeezenet1_1, timed on {host}: " in out
    assert re.search(r"reference networks take [\d.]+% (longer|less) there than jetson-agx", out)
    assert "jetson-agx-xavier was measured on TensorRT, that machine is onnxruntime " in err
    assert "warning: jetson-agx-xavier was measured in fp16, that machine times fp32" in err
    assert sorted(home.iterdir()) == before
    code, out, err = run(*words[:4], "--ssh=-oX=y")
    assert (code, err) == (2, "nas: --ssh '-oX=y' must be a host or user@host\n")


@pytest.mark.usefixtures("few_references")
def test_verify_prints_predicted_against_measured(run: Run, tmp_path: Path) -> None:
    data = yaml.safe_load(target_path("jetson").read_text(encoding="utf-8"))
    facts = {"name": "mine", "aliases": [], "runtime": "onnxruntime 1.0", "precision": "fp32"}
    path = tmp_path / "latency_tables" / "mine.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({**data, **facts}), encoding="utf-8")
    search = ("search", "--target", "mine", "--budget", "15M", "--space", "small", "--trials", "6")
    assert run(*search, "--proxies", "entropy", "--study", "s")[0] == 0
    code, out, err = run("verify", "s", "--json")
    shown = json.loads(out)
    assert code == 0
    front = json.loads(run("show", "s", "--json")[1])["pareto"]
    assert [n["trial"] for n in shown["networks"]] == [record["trial"] for record in front]
    for network, record in zip(shown["networks"], front, strict=True):
        assert network["predicted_ms"] == record["latency_ms"]
        assert network["interval_ms"] == record["latency_interval_ms"]
        low, high = network["interval_ms"]
        assert network["inside"] == (low <= network["measured_ms"] <= high)
    assert shown["inside"] == sum(network["inside"] for network in shown["networks"])
    errors = [abs(n["predicted_ms"] / n["measured_ms"] - 1) for n in shown["networks"]]
    assert shown["mean_error"] == pytest.approx(sum(errors) / len(errors))
    longer = 1 + shown["drift"]
    left = [abs(longer * n["predicted_ms"] / n["measured_ms"] - 1) for n in shown["networks"]]
    assert shown["mean_error_without_drift"] == pytest.approx(sum(left) / len(left))
    code, out, err = run("verify", "s", "--top", "1")
    assert code == 0
    assert f"1 of {len(front)} networks" in out
    assert "of 1 are inside their 90% interval; mean error" in out
    assert re.search(
        r"^reference networks take [\d.]+% \w+ there than mine predicts: without", out, re.M
    )
    assert "warning: mine was measured on onnxruntime 1.0, this is onnxruntime" in err
    on_front = [record["trial"] for record in front]
    for trial in (on_front[0], next(n for n in range(6) if n not in on_front)):
        code, out, err = run("verify", f"s:{trial}")
        where = "on" if trial in on_front else "not on"
        assert f"trial {trial} of s, {where} its Pareto front, timed here" in out
    code, out, err = run("verify", "s", "--target", "jetson")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "TensorRT in fp16, which cannot be run here" in err
    assert run("verify", "s", "--top", "0")[0] == 2
