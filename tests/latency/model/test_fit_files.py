"""A fit beside a table is believed only as it was written; else the table is fitted anew."""

from __future__ import annotations

import json
import math
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from commands import Run

from nas.architecture import Architecture
from nas.latency import Target
from nas.latency.measuring.plan import subjects
from nas.latency.metadata import Metadata
from nas.latency.model.basis import Additive
from nas.latency.model.fitting import _own, fitted
from nas.latency.table import TableRow, write_table
from nas.space import SearchSpace
from nas.support.errors import NasWarning

TRUE = Additive({"constant": 0.004, "launch": 0.002, "traffic": 0.1, "conv_macs": 0.008})
FACTS = {
    "name": "x",
    "device": "x",
    "provenance": "measured",
    "runtime": "r",
    "precision": "fp32",
    "date": "2026-01-01",
    "sources": [],
}


def small_network(seed: int) -> Architecture:
    return SearchSpace.load("small").sample(seed)


@pytest.fixture(scope="module")
def rows() -> list[TableRow]:
    found = []
    for subject in dict.fromkeys(islice(subjects(small_network), 60)):
        ms = TRUE.constant_ms + float(TRUE.kernels_ms(subject.kernels()).sum())
        found.append(TableRow(subject, ms, 0.01, 8))
    return found


@pytest.fixture(scope="module")
def made(rows: list[TableRow], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("target")
    write_table(folder / "x.csv", rows)
    metadata = fitted(Metadata.model_validate(FACTS), folder / "x.csv")
    (folder / "x.yaml").write_text(metadata.to_yaml(), encoding="utf-8")
    return folder / "x.yaml"


@pytest.fixture
def fit(made: Path) -> Any:
    """The fit's path; what a test makes of it is undone."""
    path = made.with_suffix(".fit.json")
    before = path.read_text(encoding="utf-8")
    yield path
    path.write_text(before, encoding="utf-8")


def ms(made: Path) -> float:
    return Target.load(made).predict(small_network(0)).ms


@pytest.mark.parametrize("factor", [0.01, -1.0, 0.0, math.nan, math.inf, 1e300, None, "x", [1]])
@pytest.mark.parametrize("key", ["constant_ms", "base", "linear", "weights", "operations"])
def test_edited_numbers_are_not_believed(made: Path, fit: Path, key: str, factor: Any) -> None:
    right = ms(made)
    data = json.loads(fit.read_text())
    holder, place = data, key
    while isinstance(holder[place], dict | list):
        holder = holder[place]
        place = next(iter(holder)) if isinstance(holder, dict) else 0  # type: ignore[assignment]
    value = holder[place]
    scaled = isinstance(factor, float) and isinstance(value, float | int)
    holder[place] = value * factor if scaled else factor
    if holder[place] == value:
        return
    fit.write_text(json.dumps(data))
    with pytest.warns(NasWarning, match=r"x.fit.json: .*; fitting anew$") as warned:
        assert ms(made) == pytest.approx(right, rel=1e-4)
    assert len(warned) == 1
    assert ms(made) == pytest.approx(right, rel=1e-4)  # without a word: it is as it was again


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("constant_ms", -1.0, "constant_ms: "),
        ("constant_ms", "1", "constant_ms: "),
        ("base", {"launch": -1.0}, "base.launch: "),
        ("base", {"launch": 0.0}, "base.launch: "),
        ("base", {"none": 1.0}, "base: has kinds of work"),
        ("linear", [], "linear: must have a row"),
        ("linear", [[0.0]], "linear.0: "),
        ("weights", [0.0], "weights: "),
        ("operations", ["conv", "conv"], "operations: must be different"),
        ("more", 1, "more: unknown setting"),
    ],
)
def test_a_checksum_made_to_fit_does_not_help(
    made: Path, fit: Path, key: str, value: Any, said: str
) -> None:
    data = json.loads(fit.read_text()) | {key: value}
    stamp = ("version", "lowering", "table_sha256", "sha256")
    data["sha256"] = _own({k: v for k, v in data.items() if k not in stamp})
    fit.write_text(json.dumps(data))
    with pytest.warns(NasWarning, match=said):
        assert 0 < ms(made) < 1e3


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "\ud800", "[" * 10**5, '{"version": NaN}'])
def test_what_is_no_fit_is_fitted_anew(made: Path, fit: Path, text: str) -> None:
    right = ms(made)
    fit.write_bytes(text.encode("utf-8", "surrogatepass"))
    if text.startswith('{"'):  # of another version, as after an upgrade: nothing to say
        assert ms(made) == pytest.approx(right, rel=1e-4)
        return
    with pytest.warns(NasWarning, match="fitting anew"):
        assert ms(made) == pytest.approx(right, rel=1e-4)


def test_a_network_in_another_unit_is_named_and_left_out(
    rows: list[TableRow], tmp_path: Path
) -> None:
    table = tmp_path / "x.csv"
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    wrong = networks[3]
    row = rows[wrong]
    changed = [*rows]
    changed[wrong] = row._replace(latency_ms=row.latency_ms * 1000)
    write_table(table, changed)
    with pytest.warns(NasWarning, match=rf"x.csv: row {wrong + 2}: .* times what the other rows"):
        metadata = fitted(Metadata.model_validate(FACTS), table)
    assert metadata.error
    assert metadata.error.interval_factor < 2
    assert metadata.error.networks == len(networks) - 1


def test_the_command_says_it_in_one_line(
    run: Run, rows: list[TableRow], tmp_path: Path, made: Path
) -> None:
    folder = tmp_path / "latency_tables"
    folder.mkdir()
    for end in ("csv", "yaml", "fit.json"):
        (folder / f"x.{end}").write_bytes(made.with_suffix(f".{end}").read_bytes())
    (folder / "x.fit.json").write_text("{")
    code, out, err = run("describe", "squeezenet1_1", "--target", "x", "--json")
    assert code == 0
    assert json.loads(out)["latency_ms"] > 0
    assert err.count("\n") == 1
    assert err.startswith("nas: warning: fit ")
