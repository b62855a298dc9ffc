"""A study in a notebook and in Optuna's own tools."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from stores import place

import nas
from nas.architecture import Architecture
from nas.report.study import study_report
from nas.space import SearchSpace
from nas.space.nearest import nearest
from nas.study import Study, search
from nas.study.shown import facts_text
from nas.support.errors import NasError


@pytest.fixture(scope="module", params=["journal", "sqlite"])
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("shown")
    storage = place(request.param, folder)
    return search("jetson", ["15M"], "small", name="s", storage=storage, trials=12)


def test_the_table_has_what_the_records_have(study: Study) -> None:
    table = study.trials_dataframe()
    assert list(table["number"]) == list(range(12))
    records = {record.trial: record for record in study.records()}
    rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    for row in rows:
        record = records[row["number"]]
        assert row["predicted_accuracy"] == record.score
        assert (row["predicted_low"], row["predicted_high"]) == record.accuracy_interval
        assert (row["latency_ms"], row["macs"]) == (record.latency_ms, record.macs)
        params = {k.removeprefix("params_"): v for k, v in row.items() if k.startswith("params_")}
        near = study.space.decode(params)
        assert near == (nearest_of(study, record.arch) if record.like else record.arch)


def nearest_of(study: Study, arch: Architecture) -> Architecture:
    """What samplers see in the place of a network beside the space."""
    assert isinstance(study.space, SearchSpace)
    return study.space.decode(nearest(study.space, arch))


def test_sram_and_flash_are_shown_where_they_are_known(
    study: Study, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    options: dict[str, Any] = {"name": "npu", "objectives": ["flash"], "trials": 4}
    npu = search("ethos-u55-128", ["400KiBsram"], "small", **options)
    best, row = npu.record(), npu.trials_dataframe().iloc[npu.record().trial]
    assert best.sram_bytes is not None
    assert best.flash_bytes is not None
    assert (row["sram_bytes"], row["flash_bytes"]) == (best.sram_bytes, best.flash_bytes)
    lines = run("show", "npu")[1].splitlines()
    assert "SRAM KiB  flash KiB" in lines[1]
    told = [f"{size / 1024:.0f}" for size in (best.sram_bytes, best.flash_bytes)]
    shown = next(line.split() for line in lines if line.split()[:1] == [str(best.trial)])
    assert told in [shown[i : i + 2] for i in range(len(shown))]
    memory = f"{best.sram_bytes / 1e3:.4g} kB SRAM"
    assert memory in facts_text(best)
    page, _ = study_report(npu)
    assert memory in page
    cells = f'data-key="{best.trial}"(.*?)</tr>'
    first = re.findall(cells, page.split("<caption>Networks of the Pareto front")[1])[0]
    assert "".join(f'<td class="n">{size}</td>' for size in told) in first

    assert not {"sram_bytes", "flash_bytes"} & set(study.trials_dataframe().columns)
    assert "SRAM" not in facts_text(study.record())


def test_optuna_reads_names_and_real_times(study: Study) -> None:
    assert study.optuna.metric_names == ["predicted accuracy (%)", "latency (ms)"]
    now = datetime.now()
    for trial in study.optuna.trials:
        assert trial.datetime_start
        assert trial.datetime_complete
        assert now - timedelta(minutes=10) < trial.datetime_start <= trial.datetime_complete <= now
    table = study.trials_dataframe()
    theirs = study.optuna.trials_dataframe()
    for name in ("datetime_start", "datetime_complete"):
        local = datetime.now(UTC).astimezone().tzinfo
        assert (table[name].dt.tz_convert(local).dt.tz_localize(None) == theirs[name]).all()


def test_what_is_shown_names_the_best_and_its_interval(study: Study) -> None:
    best = study.record()
    html = study._repr_html_()
    assert f"trial {best.trial}, predicted accuracy {best.score:.1f}%" in html
    assert "64 random networks" in html
    assert repr(study).startswith("<Study 's' in ")
    assert f"{best.arch.hash[:12]}" in best.arch._repr_html_()
    assert "calibrated" in study.target._repr_html_()
    error = study.target.metadata.error
    assert error
    assert f"calibrated, TensorRT, fp16, error {error.mape:.1%}" in repr(study.target)
    prediction = study.target.predict(best.arch)
    assert re.fullmatch(r"[\d.]+ ms \([\d.]+–[\d.]+\)", str(prediction))


def test_a_picture_of_the_front(study: Study, tmp_path: Path) -> None:
    picture = study.plot_pareto()
    front, *_ = picture.chart.series  # type: ignore[union-attr]
    assert sorted(map(int, front.keys)) == sorted(r.trial for r in study.pareto())
    with pytest.raises(NasError, match="objective of the study 'macs'"):
        study.plot_pareto("macs")


def test_a_summary_adds_up() -> None:
    arch = nas.reference("mobilenet_v2_100")
    lines = [line.split() for line in arch.summary().splitlines()]
    numbers = [[int(cell.replace(",", "")) for cell in line[-2:]] for line in lines[1:]]
    *rows, total = numbers
    cost = nas.cost(arch)
    assert total == [cost.params, cost.macs] == [sum(column) for column in zip(*rows, strict=True)]
    assert len(rows) == len(list(arch.rows()))
