"""`nas references`: every published network, with the numbers that the other commands give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from commands import Run

import nas
from nas.references import published, reference_names


@pytest.fixture
def run(run: Run) -> Run:
    """Runs `nas references`: (exit code, standard output, standard error)."""
    return lambda *words: run("references", *words)


def networks(run: Run, *words: str) -> list[dict[str, Any]]:
    code, out, _ = run("--json", *words)
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)["networks"]
    return found


def test_every_network_with_its_facts(run: Run) -> None:
    found = networks(run, "--target", "jetson")
    assert [f["name"] for f in found] == sorted(reference_names())
    target = nas.Target.load("jetson")
    for facts in found:
        arch = nas.reference(facts["name"])
        assert (facts["resolution"], facts["classes"]) == (arch.resolution, arch.classes)
        assert (facts["params"], facts["macs"]) == nas.cost(arch)[:2]
        assert (facts["top1"], facts["source"]) == published(facts["name"])
        latency = target.predict(arch)
        assert (facts["latency_ms"], *facts["latency_interval_ms"]) == latency


@pytest.mark.parametrize(
    ("sort", "key"), [("params", "params"), ("macs", "macs"), ("latency", "latency_ms")]
)
def test_smallest_first(run: Run, sort: str, key: str) -> None:
    found = [f[key] for f in networks(run, "--sort", sort)]
    assert found == sorted(found)


def test_most_accurate_first(run: Run) -> None:
    found = [f["top1"] for f in networks(run, "--sort", "top1")]
    known = [top1 for top1 in found if top1 is not None]
    assert len(found) - len(known) == 3
    assert found == [*sorted(known, reverse=True), None, None, None]


def test_the_table(run: Run) -> None:
    code, out, _ = run("--sort", "macs")
    assert code == 0
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    row = rows["mobilenet_v2_100"]
    assert row[1:4] == ["3.505", "300.8", "72.0"]
    assert rows["squeezenet1_0_caffe"][1:4] == ["1.248", "861.3", "57.5"]
    said = " ".join(out.split())
    assert "224 px (alexnet_caffe 227, mlperf_tiny_resnet8 32, mlperf_tiny_vww 96, " in said
    assert "1000 classes (mlperf_tiny_resnet8 10, mlperf_tiny_vww 2); top-1: ImageNet" in said
    assert rows["mobilenet_v3_large_075_torchvision"][3] == "–"
    assert f"{row[4]} Sandler et al. 2018" in out
    assert "x86-avx512-ort, measured, onnxruntime 1.32.0, 1 thread, fp32" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sort", "mac"], "did you mean 'macs'? (one of: latency, macs, name, params, top1)"),
        (["--target", "jetsn"], "did you mean 'jetson'"),
    ],
)
def test_a_mistake_is_one_line(run: Run, words: list[str], said: str) -> None:
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
