"""The learned predictor, against tables that were made from a known device."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import settings

from nas.architecture import Architecture
from nas.latency import Target
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import network_kernels
from nas.latency.measuring.plan import subjects
from nas.latency.metadata import Metadata, read_metadata
from nas.latency.model.basis import Additive
from nas.latency.model.corrections import WIDTH, Corrections, operation
from nas.latency.model.error import error_of, interval_factor, mape
from nas.latency.model.fitting import FOLDS, cross_validate, fit_rows, fitted
from nas.latency.table import TableRow, read_table, write_table
from nas.latency.target import target_names, target_path
from nas.references import reference
from nas.space import SearchSpace
from nas.support.errors import NasWarning

LOWERING: Final = "nchwc16"
TRUE = Additive(
    {
        "constant": 0.004,
        "launch": 0.002,
        "traffic": 0.1,
        "pointwise_macs": 0.01,
        "depthwise_macs": 0.02,
        "conv_macs": 0.008,
    }
)


def small_network(seed: int) -> Architecture:
    return SearchSpace.load("small").sample(seed)


def true_ms(kernel: Kernel) -> float:
    """What a device takes that unaligned sizes slow down, as no kind of work says."""
    return float(TRUE.kernels_ms([kernel])[0]) * (1.3 if kernel.output[2] % 6 in (1, 2) else 1.0)


@pytest.fixture(scope="module")
def rows() -> list[TableRow]:
    found = []
    for subject in dict.fromkeys(islice(subjects(small_network), 250)):
        ms = sum(map(true_ms, subject.kernels(LOWERING))) + TRUE.constant_ms
        found.append(TableRow(subject, ms, 0.0, 8))
    return found


def facts(name: str) -> Metadata:
    return Metadata(
        name=name,
        device="synthetic",
        provenance="measured",
        runtime="none",
        precision="fp32",
        lowering=LOWERING,
        date="2026-01-01",
        sources=["a test"],
    )


@pytest.fixture(scope="module")
def kept(rows: list[TableRow], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a target that was fitted to the rows."""
    folder = tmp_path_factory.mktemp("kept")
    write_table(folder / "x.csv", rows)
    metadata = fitted(facts("x"), folder / "x.csv")
    (folder / "x.yaml").write_text(metadata.to_yaml(), encoding="utf-8")
    return folder


def test_networks_that_were_left_out_are_predicted(kept: Path) -> None:
    rows = read_table(kept / "x.csv")
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    left_out = cross_validate(rows, networks, LOWERING)
    assert np.abs(left_out.logs).mean() < 0.02
    assert left_out.logs.shape == (len(networks),)
    error = read_metadata(kept / "x.yaml").error  # of the same folds
    assert error is not None
    assert error.mape == error_of(left_out.logs, "", rows=len(rows)).mape
    assert error.interval_factor == interval_factor(left_out.logs / left_out.deviations)


def test_a_network_is_judged_without_its_own_latency(rows: list[TableRow]) -> None:
    """A network that is measured ten times too slow is still predicted from the others."""
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    odd = networks[len(networks) // 2]
    changed = [*rows]
    changed[odd] = rows[odd]._replace(latency_ms=10 * rows[odd].latency_ms)
    logs = cross_validate(changed, networks, LOWERING).logs
    assert logs[networks.index(odd)] == pytest.approx(-np.log(10), abs=0.1)


def test_the_corrections_are_better_than_the_work_alone(rows: list[TableRow]) -> None:
    half = len(rows) // 2
    predictor = fit_rows(rows[:half], LOWERING)
    networks = [row for row in rows[half:] if row.subject.kind == "network"]
    corrected, alone = [], []
    for row in networks:
        kernels = row.subject.kernels(LOWERING)
        corrected.append(predictor.constant_ms + sum(predictor.kernels_ms(kernels)))
        alone.append(predictor.base.constant_ms + predictor.base.kernels_ms(kernels).sum())
    measured = np.array([row.latency_ms for row in networks])
    off = [np.abs(np.log(np.array(ms) / measured)).mean() for ms in (corrected, alone)]
    assert off[0] < off[1] / 2


def test_what_is_stored_predicts_what_was_fitted(
    rows: list[TableRow], kept: Path, tmp_path: Path
) -> None:
    """From the stored numbers, and fitted anew where these are missing, broken or of another
    table."""
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    table, path, fit = (tmp_path / f"x.{end}" for end in ("csv", "yaml", "fit.json"))
    networks = [small_network(seed) for seed in range(5)]
    stored = [Target.load(path).predict(arch).ms for arch in networks]
    fit.write_text(fit.read_text(encoding="utf-8")[:100], encoding="utf-8")
    with pytest.warns(NasWarning, match=r"x.fit.json: damaged: .*; fitting anew"):
        again = [Target.load(path).predict(arch).ms for arch in networks]
    assert again == pytest.approx(stored, rel=1e-4)
    write_table(table, [row._replace(latency_ms=2 * row.latency_ms) for row in rows])
    twice = [Target.load(path).predict(arch).ms for arch in networks]
    assert twice == pytest.approx([2 * ms for ms in stored], rel=0.02)
    assert [Target.load(path).predict(arch).ms for arch in networks] == twice


def test_an_operation_that_was_in_no_table_is_not_corrected() -> None:
    kernel = Kernel("conv", ((16, 8, 8),), (32, 8, 8), (3, 3))
    other = kernel._replace(op="swap")
    twice = Corrections(("conv",), np.eye(1, WIDTH, 6) * np.log(2), np.zeros(1000))
    assert operation(kernel) == "conv"
    assert twice.factors([kernel, other]) == pytest.approx([2, 1])
    wild = Corrections(("conv",), np.full((1, WIDTH), 1e6), np.zeros(1000))
    assert wild.factors([kernel])[0] < 100


def test_disturbed_measurements_move_little(rows: list[TableRow]) -> None:
    rng = np.random.default_rng(0)
    disturbed = [
        r._replace(latency_ms=1.5 * r.latency_ms) if rng.random() < 0.05 else r for r in rows
    ]
    plain, moved = (fit_rows(r, LOWERING) for r in (rows, disturbed))
    networks = [network_kernels(small_network(seed), LOWERING) for seed in range(1000, 1020)]
    before, after = (
        np.array([p.constant_ms + sum(p.kernels_ms(kernels)) for kernels in networks])
        for p in (plain, moved)
    )
    assert np.median(np.abs(after / before - 1)) < 0.03


def test_the_interval_of_a_network_unlike_the_tables_is_wider(
    rows: list[TableRow], tmp_path: Path
) -> None:
    table, path = tmp_path / "x.csv", tmp_path / "x.yaml"
    write_table(table, [row for row in rows if row.subject.kind == "network"])
    path.write_text(fitted(facts("x"), table).to_yaml(), encoding="utf-8")
    target = Target.load(path)
    assert target.metadata.error is not None
    usual = np.log(target.metadata.error.interval_factor)

    def width(arch: Architecture) -> float:
        found = target.predict(arch)
        assert found.low_ms < found.ms < found.high_ms
        return float(np.log(found.high_ms / found.ms) / usual)

    alike = [width(small_network(seed)) for seed in range(1000, 1040)]
    assert 0.5 < np.median(alike) < 1.5
    unlike = width(reference("regnety_400mf"))  # grouped convolutions and gates of large maps
    assert unlike > 2 * np.quantile(alike, 0.9)


@pytest.mark.parametrize("name", [name for name in target_names() if "/" not in name])
def test_a_stated_error_is_that_of_the_table(name: str) -> None:
    path = target_path(name)
    metadata = read_metadata(path)
    if metadata.provenance != "measured":
        pytest.skip("the data of calibrated targets are not shipped")
    assert metadata.error is not None
    rows = read_table(path.with_suffix(".csv"))
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    assert metadata.error.networks == len(networks)
    assert metadata.error.rows == len(rows)
    if settings.get_current_profile_name() == "thorough":
        known = cross_validate(rows, networks, metadata.lowering)
        assert mape(known.logs) == pytest.approx(metadata.error.mape, rel=0.05)
        usual = interval_factor(known.logs / known.deviations)
        assert usual == pytest.approx(metadata.error.interval_factor, rel=0.05)
        return
    left_out = networks[::FOLDS]  # one of the fits, as each takes seconds
    predictor = fit_rows([r for i, r in enumerate(rows) if i not in left_out], metadata.lowering)
    logs, doubts = [], []
    for row in (rows[i] for i in left_out):
        trace = predictor.trace(row.subject.kernels(metadata.lowering))
        logs.append(np.log((predictor.constant_ms + trace[0].sum()) / row.latency_ms))
        doubts.append(predictor.doubtful(trace))
    assert mape(np.array(logs)) == pytest.approx(metadata.error.mape, rel=0.2)
    usual = interval_factor(np.divide(logs, doubts))
    assert usual - 1 == pytest.approx(metadata.error.interval_factor - 1, rel=0.2)


def test_the_interval_holds_nine_of_ten() -> None:
    rng = np.random.default_rng(0)
    known, new = rng.normal(0, 0.1, 200), rng.normal(0, 0.1, 5000)
    held = np.abs(new) < np.log(interval_factor(known))
    assert 0.87 < held.mean() < 0.94


@pytest.mark.parametrize("count", range(1, 10))
def test_the_interval_of_few_networks_holds_nine_of_ten(count: int) -> None:
    rng = np.random.default_rng(count)
    known, new = rng.normal(0, 0.1, (4000, count)), rng.normal(0, 0.1, 4000)
    factors = np.array([interval_factor(logs) for logs in known])
    assert (np.abs(new) < np.log(factors)).mean() == pytest.approx(0.9, abs=0.02)
    assert interval_factor(np.full(count, 0.1)) >= 1.1051
