"""The learned predictor, against tables that were made from a known device."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from nas.architecture import Architecture
from nas.latency import Target
from nas.latency.corrections import features
from nas.latency.device_model import Sample, sample_ms
from nas.latency.judge import error_of, interval_factor
from nas.latency.metadata import read_metadata
from nas.latency.plan import subjects
from nas.latency.predictor import PRIOR, Predictor, cross_validate, fitted
from nas.latency.table import TableRow, read_table, write_table
from nas.latency.target import target_names, target_path
from nas.space import SearchSpace

TRUE = {name: value * (3.0 if i % 2 else 0.5) for i, (name, value) in enumerate(PRIOR.items())}


def small_network(seed: int) -> Architecture:
    return SearchSpace.load("small").sample(seed)


@pytest.fixture(scope="module")
def rows() -> list[TableRow]:
    """What a device would show that aligned channels make faster than the device model says."""
    found = []
    for subject in dict.fromkeys(islice(subjects(small_network), 250)):
        kernels = subject.kernels()
        predictor = Predictor(TRUE, {}, 4)
        factors = [1.3 if k.output[0] % 16 else 1.0 for k in kernels]
        ms = sum(f * predictor.kernel_ms(k) for f, k in zip(factors, kernels, strict=True))
        found.append(TableRow(subject, ms + predictor.constant_ms, 0.0, 8))
    return found


def test_networks_that_were_left_out_are_predicted(rows: list[TableRow]) -> None:
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    logs = cross_validate(rows, networks, value_bytes=4)
    assert np.abs(logs).mean() < 0.03
    assert logs.shape == (len(networks),)
    np.testing.assert_array_equal(logs, cross_validate(rows, networks, value_bytes=4))


def test_a_network_is_judged_without_its_own_latency(rows: list[TableRow]) -> None:
    """A network that is measured ten times too slow is still predicted from the others."""
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    odd = networks[len(networks) // 2]
    changed = [*rows]
    changed[odd] = rows[odd]._replace(latency_ms=10 * rows[odd].latency_ms)
    logs = cross_validate(changed, networks, value_bytes=4)
    assert logs[networks.index(odd)] == pytest.approx(-np.log(10), abs=0.1)


def test_what_is_stored_predicts_what_was_fitted(rows: list[TableRow], tmp_path: Path) -> None:
    """From the stored numbers, and fitted anew where the stored ones are of another table."""
    table, path = tmp_path / "x.csv", tmp_path / "x.yaml"
    write_table(table, rows)
    start = read_metadata(target_path("x86-avx512-ort")).model_copy(update={"name": "x"})
    path.write_text(fitted(start, table).to_yaml(), encoding="utf-8")
    stored = Target.load(path)
    path.write_text(start.to_yaml(), encoding="utf-8")
    again = Target.load(path)
    for seed in range(5):
        arch = small_network(seed)
        assert again.predict(arch).ms == pytest.approx(stored.predict(arch).ms, rel=1e-4)


def test_without_corrections_it_is_the_device_model(rows: list[TableRow]) -> None:
    kernels = rows[10].subject.kernels()
    predictor = Predictor(TRUE, {}, 4)
    assert predictor.constant_ms + sum(map(predictor.kernel_ms, kernels)) == pytest.approx(
        sample_ms(Sample(kernels, 1.0), TRUE, 4)
    )


def test_a_correction_is_a_factor_and_bounded(rows: list[TableRow]) -> None:
    kernel = next(k for row in rows for k in row.subject.kernels() if k.op == "conv")
    plain = Predictor(TRUE, {}, 4).kernel_ms(kernel)
    width = len(features(kernel))
    twice = Predictor(TRUE, {"conv": [np.log(2), *[0.0] * (width - 1)]}, 4)
    assert twice.kernel_ms(kernel) == pytest.approx(2 * plain)
    wild = Predictor(TRUE, {"conv": [1e6, *[0.0] * (width - 1)]}, 4)
    assert wild.kernel_ms(kernel) < 100 * plain


@pytest.mark.parametrize("name", target_names())
def test_a_stated_error_is_that_of_the_table(name: str) -> None:
    path = target_path(name)
    metadata = read_metadata(path)
    if metadata.provenance != "measured":
        pytest.skip("the data of calibrated targets are not shipped")
    assert metadata.error is not None
    rows = read_table(path.with_suffix(".csv"))
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    error = error_of(cross_validate(rows, networks, metadata.value_bytes), "", rows=len(rows))
    assert error.mape == pytest.approx(metadata.error.mape, rel=0.05)
    assert error.networks == metadata.error.networks
    assert error.rows == metadata.error.rows
    assert error.interval_factor == pytest.approx(metadata.error.interval_factor, rel=0.05)


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
