"""Targets of Ethos-U NPUs against Arm's own compiler, which estimates them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from commands import Run

import nas
from nas.budget import parse_budgets
from nas.formats.tflite import to_tflite
from nas.latency import Target
from nas.latency.lowering.rows import network_kernels
from nas.latency.model.npu_memory import network_memory, row_memory
from nas.latency.runtimes.accelerators import ACCELERATORS, find_accelerator
from nas.latency.table import read_table
from nas.space import SearchSpace
from nas.study.candidates import Candidates
from nas.support.errors import NasError

vela = pytest.importorskip("nas.latency.runtimes.vela", exc_type=ImportError)
TINY = SearchSpace.load("tiny")
NPUS = ("ethos-u55-64", "ethos-u65-512", "ethos-u85-128", "ethos-u85-2048")


@pytest.mark.parametrize("npu", NPUS)
def test_memory_is_what_vela_lays_out(npu: str) -> None:
    names = ("mlperf_tiny_resnet8", "mlperf_tiny_vww")
    networks = [*map(nas.reference, names), *(TINY.sample(seed) for seed in range(50_000, 50_008))]
    ratios = []
    for arch in networks:
        found = vela.estimate(to_tflite(arch.graph(), int8={}), find_accelerator(npu))
        memory = nas.Target.load(npu).memory(arch)
        assert memory is not None
        ratios.append(np.array(memory) / (found.sram_bytes, found.flash_bytes))
    sram, flash = np.array(ratios).T
    assert abs(np.median(sram) - 1) <= 0.02
    assert np.mean(np.abs(sram - 1) <= 0.05) >= 0.8
    assert np.all(np.abs(flash - 1) <= 0.15)


def test_an_estimate_repeats_and_is_the_sum_of_its_layers() -> None:
    model = to_tflite(nas.reference("mlperf_tiny_vww").graph(), int8={})
    npu = find_accelerator("ethos-u55-128")
    found = vela.estimate(model, npu)

    assert vela.estimate(model, npu) == found
    assert sum(layer.ms or 0 for layer in found.layers) == pytest.approx(found.latency_ms, rel=1e-3)
    assert found.on_cpu == 0


def test_vela_executes_the_kernels_of_the_lowering() -> None:
    """Activations are fused, additions are not, concatenations and splits cost nothing."""
    for name, px in (("mlperf_tiny_resnet8", 32), ("mobilenet_v2_075", 64)):
        arch = nas.reference(name, resolution=px)
        found = vela.estimate(to_tflite(arch.graph(), int8={}), find_accelerator("ethos-u55-128"))
        operations = [layer.operation for layer in found.layers]
        ours = [kernel.op for kernel in network_kernels(arch, "ethos-u")]
        pooled = 1  # the global average is a depthwise convolution and a scaling
        assert operations.count("Conv2D") + operations.count("FullyConnected") == sum(
            op in ("conv", "pointwise", "linear") for op in ours
        )
        assert operations.count("DepthwiseConv2D") == ours.count("depthwise") + pooled
        assert operations.count("Add") == ours.count("add")


def test_what_vela_cannot_compile_is_said_in_one_line() -> None:
    with pytest.raises(NasError, match="Vela cannot compile it"):
        vela.estimate(b"no model", find_accelerator("ethos-u55-128"))


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    from nas.latency.measuring.estimating import estimate

    monkeypatch.setattr("nas.latency.measuring.plan.ANCHORS", {"mlperf_tiny_resnet8": 32})
    path, _ = estimate("npu", "ethos-u55-128", rows=12, folder=tmp_path)
    return Target.load(path)


def test_a_target_is_made_gone_on_with_and_searched_for(target: Target, tmp_path: Path) -> None:
    from nas.latency.measuring.estimating import estimate

    facts = target.metadata
    assert (facts.provenance, facts.lowering, facts.precision) == ("estimated", "ethos-u", "int8")
    assert "no silicon was measured" in facts.sources[0]
    before = read_table(tmp_path / "npu.csv")
    estimate("npu", "ethos-u55-128", rows=14, folder=tmp_path)
    assert read_table(tmp_path / "npu.csv")[: len(before)] == before
    assert len(read_table(tmp_path / "npu.csv")) == 14

    budgets = parse_budgets(["40KBsram", "60KBflash"])
    candidates = Candidates(TINY, target, budgets)
    candidates.check()
    large = candidates.make(TINY.encode(TINY.sample(1)))
    assert large.memory == target.memory(large.arch)
    assert large.value("sram_bytes") == network_memory(large.arch, "ethos-u55").sram_bytes
    assert candidates.smallest("flash_bytes").value < large.value("flash_bytes")
    with pytest.raises(NasError, match=r"'1KBsram' cannot be met.*B SRAM"):
        Candidates(TINY, target, parse_budgets(["1KBsram"])).check()
    with pytest.raises(NasError, match="was measured with provider ethos-u55-128"):
        estimate("npu", "ethos-u55-64", rows=1, folder=tmp_path)


def test_a_network_is_the_largest_of_its_rows_and_the_sum_of_their_flash() -> None:
    arch = nas.reference("mlperf_tiny_vww")
    whole, shape, rows = network_memory(arch, "ethos-u55"), arch.input_shape, []
    for row in arch.rows():
        rows.append(row_memory(row, shape, "ethos-u55"))
        shape = rows[-1].output
    assert whole.flash_bytes == pytest.approx(1000 + sum(row.flash for row in rows))
    # Between two rows, the weights of the next one are fetched while the first one works.
    fetched = max(a.last + b.first for a, b in pairwise(rows[1:]))
    assert whole.sram_bytes == max(fetched, *(row.peak for row in rows[1:]))


def test_a_target_without_sram_says_so(run: Run) -> None:
    said = "target jetson-agx-xavier says nothing of"
    with pytest.raises(NasError, match=f"{said} sram"):
        Candidates(TINY, Target.load("jetson"), parse_budgets(["64KBsram"])).check()
    words = ["--space", "tiny", "--budget", "9M", "--objective", "flash"]
    code, _, err = run("search", "--target", "jetson", *words)
    assert code == 2
    assert f"{said} flash" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--runtime", "vela"], "--runtime vela and --accelerator, such as ethos-u55-128, go tog"),
        (["--accelerator", "ethos-u55-128"], "go together"),
        (["--runtime", "vela", "--accelerator", "ethos-u55-64", "--threads", "2"], "--threads 2: "),
        (["--runtime", "vela", "--accelerator", "ethos-u55-129"], "did you mean 'ethos-u55-12"),
    ],
)
def test_what_cannot_be_estimated_is_said_in_one_line(
    run: Run, words: list[str], said: str
) -> None:
    code, _, err = run("measure", "--target", "x", *words)
    assert code == 2
    assert said in err


def test_every_accelerator_is_one_that_vela_knows() -> None:
    from ethosu.vela.architecture_features import Accelerator

    assert set(ACCELERATORS) <= set(Accelerator.member_list())
