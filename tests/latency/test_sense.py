"""Latencies that can be none are refused; one that is far from what the others say is named."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from commands import Run
from fuzz.samples import table_rows, to_csv
from hypothesis import given
from hypothesis import strategies as st

from nas.latency import Target, calibrate
from nas.latency.model.error import far_off
from nas.latency.table import LEAST_MS, MOST_MS, read_table
from nas.references import reference
from nas.support.errors import NasError, NasWarning

NAMES = (
    *("resnet18", "vgg16", "squeezenet1_1", "mobilenet_v2_100", "mnasnet_100", "alexnet"),
    *("resnet34", "shufflenet_v2_x1_0", "mobilenet_v3_large_100", "densenet121", "vgg11"),
    "resnet50",
)
BEYOND = ("1e308", "1e-308", "1e-300", "5e-324", "1e9", "-1", "0", "inf", "nan", "1e999")


@pytest.mark.parametrize("number", BEYOND)
@pytest.mark.parametrize("rows", [1, 11])
def test_numbers_beyond_sense_in_a_table(run: Run, tmp_path: Path, number: str, rows: int) -> None:
    """One of them and all of them."""
    lines = table_rows(12)
    for line in lines[1 : 1 + rows]:
        line[2] = number
    (tmp_path / "results.csv").write_text(to_csv(lines))
    with pytest.raises(NasError, match=r"row 2: latency_ms must be"):
        read_table(tmp_path / "results.csv")
    code, out, err = run("measure", "--import", "results.csv", "--target", "mine")
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(("column", "number"), [(3, "1e308"), (3, "-1"), (4, "1e308"), (4, "0.5")])
def test_the_other_numbers_of_a_table(tmp_path: Path, column: int, number: str) -> None:
    lines = table_rows(3)
    lines[1][column] = number
    (tmp_path / "t.csv").write_text(to_csv(lines))
    with pytest.raises(NasError, match=r"row 2: (spread|visits) must "):
        read_table(tmp_path / "t.csv")


def test_what_is_just_within_bounds_is_fitted(run: Run, tmp_path: Path) -> None:
    """The extremes together: no traceback, no crash of the linear algebra."""
    lines = table_rows(14)
    for i, line in enumerate(lines[1:]):
        line[2] = f"{LEAST_MS:g}" if i % 2 else f"{MOST_MS:g}"
    (tmp_path / "results.csv").write_text(to_csv(lines))
    code, _, err = run("measure", "--import", "results.csv", "--target", "mine")
    assert code in (0, 2)
    assert "Traceback" not in err


@pytest.mark.parametrize("number", BEYOND)
def test_numbers_beyond_sense_in_a_csv_of_networks(run: Run, tmp_path: Path, number: str) -> None:
    rows = [["network", "latency_ms"], ["resnet18", number], ["vgg16", "3"], ["alexnet", "1"]]
    (tmp_path / "m.csv").write_text(to_csv(rows))
    code, out, err = run("calibrate", "--target", "mine", "--from", "m.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    # In a table NaN is a run that failed: its row is left out.
    assert ("2 networks; at least 3" if number == "nan" else "latency_ms must be") in err
    with pytest.raises(NasError, match="latency_ms must be"):
        calibrate([(reference(name), float(number)) for name in NAMES[:3]])


@pytest.fixture(scope="module")
def device() -> Target:
    return Target.load("jetson")


@pytest.mark.parametrize("factor", [1e3, 0.1, 20.0])
def test_one_row_in_another_unit_is_named_and_left_out(
    run: Run, tmp_path: Path, device: Target, factor: float
) -> None:
    rng = np.random.default_rng(1)
    ms = {name: device.predict(reference(name)).ms * rng.uniform(0.9, 1.1) for name in NAMES}
    text = io.StringIO()
    rows = [(name, value * (factor if i == 4 else 1)) for i, (name, value) in enumerate(ms.items())]
    csv.writer(text).writerows([("network", "latency_ms"), *rows])
    (tmp_path / "m.csv").write_text(text.getvalue())
    code, out, err = run("calibrate", "--target", "mine", "--from", "m.csv", "--runtime", "any")
    assert code == 0
    assert err.count("\n") == 1
    assert f"{NAMES[4]} (" in err
    assert f"{len(NAMES) - 1} networks" in out
    made = Target.load("mine")
    error = made.metadata.error
    assert error
    assert error.interval_factor < 1.6
    measured, predicted = ms[NAMES[4]], made.predict(reference(NAMES[4])).ms
    assert 0.5 < predicted / measured < 2
    assert json.loads(run("describe", NAMES[4], "--target", "mine", "--json")[1])["latency_ms"] > 0


def test_a_row_that_no_device_is_fast_enough_for_is_refused(
    run: Run, tmp_path: Path, device: Target
) -> None:
    ms = [device.predict(reference(name)).ms for name in NAMES]
    ms[4] /= 1000
    rows = [f"{name},{value}\n" for name, value in zip(NAMES, ms, strict=True)]
    (tmp_path / "m.csv").write_text("".join(["network,latency_ms\n", *rows]))
    code, out, err = run("calibrate", "--target", "mine", "--from", "m.csv", "--runtime", "any")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert NAMES[4] in err
    assert "more than any device" in err


def test_networks_as_they_should_be_are_all_kept(device: Target) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", NasWarning)
        made = calibrate([(reference(n), device.predict(reference(n)).ms) for n in NAMES])
    assert made.metadata.error
    assert made.metadata.error.networks == len(NAMES)


@given(st.lists(st.floats(-0.3, 0.3), min_size=5, max_size=40), st.floats(2, 9), st.booleans())
def test_far_off(logs: list[float], far: float, above: bool) -> None:
    assert far_off(np.array(logs)) == []
    assert far_off(np.array([*logs, far if above else -far])) in ([len(logs)], [])
    tight = np.array([0.1 * log for log in logs])
    assert far_off(np.array([*tight, far if above else -far])) == [len(logs)]
    assert far_off(np.array([*tight, *[far] * len(logs)])) == []
