"""Measuring end to end with next to no time, being interrupted, and going on."""

import errno
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import typer

import nas
from nas.architecture import Architecture
from nas.cli.measure import measure as command
from nas.latency import Target, calibrate, target_names
from nas.latency.measuring.measure import begin, failures, measure
from nas.latency.runner import batches
from nas.latency.runner.batches import MeasuringProgress
from nas.latency.table import read_table
from nas.space import SearchSpace
from nas.support.errors import NasError

SECOND = 1 / 60


def tiny(seed: int) -> Architecture:
    """A random network that takes well below a millisecond."""
    return SearchSpace.load("small").sample(seed)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured")
    return measure("mine", minutes=0.01 * SECOND, folder=folder, sample=tiny, visits=2)[0]


def test_a_measured_target_loads_and_predicts(table: Path) -> None:
    target = Target.load(table)
    rows = read_table(table.with_suffix(".csv"))
    assert target.metadata.provenance == "measured"
    assert target.metadata.threads == 1
    assert target.metadata.provider == "CPUExecutionProvider"
    assert target.metadata.runtime == f"onnxruntime {onnxruntime.__version__}"
    assert target.metadata.protocol is not None
    assert target.metadata.protocol.visits == 2
    assert len(rows) >= 3
    for seed in range(5):
        found = target.predict(tiny(seed))
        assert 0 < found.low_ms < found.ms < found.high_ms


def test_a_second_call_adds_rows_and_keeps_the_first(table: Path) -> None:
    before = read_table(table.with_suffix(".csv"))
    checksum = Target.load(table).checksum
    measure("mine", minutes=0.01 * SECOND, folder=table.parent, sample=tiny, visits=2)
    after = read_table(table.with_suffix(".csv"))
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert len({row.subject for row in after}) == len(after)
    assert Target.load(table).checksum != checksum


def test_a_table_that_was_changed_by_hand_is_fitted_anew(table: Path) -> None:
    stored = Target.load(table)
    path = table.with_suffix(".csv")
    original = path.read_text(encoding="utf-8")
    lines = [line.split(",") for line in original.splitlines()]
    slower = [[*cells[:-3], str(10 * float(cells[-3])), *cells[-2:]] for cells in lines[1:]]
    try:
        path.write_text("\n".join(map(",".join, [lines[0], *slower])) + "\n", encoding="utf-8")
        changed = Target.load(table)
    finally:
        path.write_text(original, encoding="utf-8")
    assert changed.checksum != stored.checksum
    assert changed.predict(tiny(0)).ms > 3 * stored.predict(tiny(0)).ms


def test_an_interrupted_measurement_keeps_its_rows_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.latency.runner.batches.BATCH", 6)
    cores = os.sched_getaffinity(0)

    def interrupt(progress: MeasuringProgress) -> None:
        assert progress.rows > 0
        raise KeyboardInterrupt

    said: list[str] = []

    def say(line: str) -> None:
        text = (tmp_path / "cut.yaml").read_text(encoding="utf-8")
        said.append(f"{line}, {'not yet' if 'error:' not in text else 'done'}")

    ways: dict[str, Any] = {"sample": tiny, "visits": 1, "progress": interrupt, "say": say}
    with pytest.raises(KeyboardInterrupt):
        measure("cut", minutes=1, folder=tmp_path, **ways)
    assert said == [f"interrupted; fitting {len(read_table(tmp_path / 'cut.csv'))} rows, not yet"]
    assert os.sched_getaffinity(0) == cores
    kept = read_table(tmp_path / "cut.csv")
    assert Target.load(tmp_path / "cut.yaml").predict(tiny(0)).ms > 0
    measure("cut", minutes=0.01 * SECOND, folder=tmp_path, sample=tiny, visits=1)
    assert read_table(tmp_path / "cut.csv")[: len(kept)] == kept
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"cut"}


def test_the_command_says_at_once_that_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nas.latency.runner.batches.BATCH", 6)
    timed: Any = batches.run

    def interrupted(*given: Any) -> Any:
        def end(progress: MeasuringProgress) -> None:
            raise KeyboardInterrupt

        return timed(*given[:5], end, *given[6:])

    monkeypatch.setattr("nas.latency.measuring.measure.run", interrupted)
    with pytest.raises(typer.Exit):
        command("cut", folder=tmp_path)
    rows = len(read_table(tmp_path / "cut.csv"))
    first, last = capsys.readouterr().err.strip().splitlines()[-2:]
    assert first == f"interrupted; fitting {rows} rows"
    assert last.startswith(f"interrupted: {rows} rows are kept in ")


def test_a_table_whose_first_batch_was_its_last_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that is full once the table is written."""
    monkeypatch.setattr("nas.latency.runner.batches.BATCH", 6)

    timed: Any = batches.run

    def full(*given: Any) -> Any:
        def end(progress: MeasuringProgress) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        return timed(*given[:5], end, *given[6:])

    with monkeypatch.context() as patch:
        patch.setattr("nas.latency.measuring.measure.run", full)
        patch.setattr("nas.latency.measuring.measure.finish", lambda *given: None)
        with pytest.raises(NasError, match="No space left"):
            measure("cut", minutes=1, folder=tmp_path, sample=tiny, visits=1)
    kept = len(read_table(tmp_path / "cut.csv"))
    measure("cut", minutes=0.01 * SECOND, folder=tmp_path, sample=tiny, visits=1)
    assert len(read_table(tmp_path / "cut.csv")) > kept > 0


def test_interrupted_before_the_first_batch_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.latency.measuring.measure.run", interrupt)
    with pytest.raises(typer.Exit):
        command("cut", folder=tmp_path)
    assert "interrupted: 0 rows are kept: nothing was written" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_interrupted_later_the_command_says_how_many_rows_are_kept(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.latency.measuring.measure.run", interrupt)
    with pytest.raises(typer.Exit):
        command("mine", folder=table.parent)
    rows = read_table(table.with_suffix(".csv"))
    assert f"interrupted: {len(rows)} rows are kept in " in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["latency_tables", "an other"])
def test_the_command_ends_with_a_search_that_finds_the_target(
    folder: str,
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(table.parent, folder)
    path = Path(folder) / "mine.yaml"
    monkeypatch.setattr(
        "nas.latency.measuring.measure.measure", lambda *args, **options: (path, [])
    )
    command("mine", folder=Path(folder))
    words = shlex.split(capsys.readouterr().out.splitlines()[-1])
    name = words[words.index("--target") + 1]
    assert name == ("mine" if folder == "latency_tables" else str(path))
    assert Target.load(name).checksum == Target.load(table).checksum


@pytest.mark.parametrize(("precision", "lowering"), [("fp32", "nchwc8"), ("int8", "fused")])
def test_only_floats_are_blocked(precision: str, lowering: str, tmp_path: Path) -> None:
    facts = {
        "device": "x",
        "runtime": "onnxruntime 1.0",
        "provider": "CPUExecutionProvider",
        "precision": precision,
        "threads": 1,
        "lowering": "nchwc8",
        "date": "2026-01-01",
    }
    assert begin("x", tmp_path, facts)[2].lowering == lowering


def test_a_full_disk_is_said_without_the_name_of_a_file() -> None:
    with pytest.raises(NasError, match=r"^No space left"), failures():
        raise OSError(
            errno.ENOSPC, "No space left on device"
        )  # as a write to an open file raises it


def test_there_is_a_visit(tmp_path: Path) -> None:
    with pytest.raises(NasError, match=r"^visits must be at least 1, not 0$"):
        measure("x", visits=0, folder=tmp_path)


def test_other_settings_are_refused(table: Path) -> None:
    with pytest.raises(nas.NasError, match="choose another name"):
        measure("mine", minutes=1, threads=2, folder=table.parent)


@pytest.mark.parametrize(
    ("name", "minutes", "message"),
    [("mine", 0.0, "minutes"), ("mine", float("nan"), "minutes"), ("A b", 1.0, "name 'A b'")],
)
def test_bad_arguments_are_refused(name: str, minutes: float, message: str, tmp_path: Path) -> None:
    with pytest.raises(nas.NasError, match=message):
        measure(name, minutes=minutes, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_calibrate_finds_a_device_that_is_three_times_slower() -> None:
    base = Target.load("jetson")
    networks = [tiny(seed) for seed in range(8)]
    known = [(arch, 3 * base.predict(arch).ms) for arch in networks[:5]]
    found = calibrate(known, base, name="slow")
    assert found.metadata.provenance == "calibrated"
    assert found.metadata.error is not None
    assert found.metadata.error.mape < 0.01
    for arch in networks[5:]:
        assert found.predict(arch).ms == pytest.approx(3 * base.predict(arch).ms, rel=0.01)


def test_calibrate_needs_networks_and_positive_latencies() -> None:
    base = Target.load("jetson")
    with pytest.raises(nas.NasError, match="at least 3"):
        calibrate([(tiny(0), 1.0)], base)
    with pytest.raises(nas.NasError, match="above 0"):
        calibrate([(tiny(0), -1.0)] * 3, base)


def test_a_calibration_passes_over_a_target_that_does_not_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "latency_tables").mkdir()
    (tmp_path / "latency_tables" / "bad.yaml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "bad" in target_names()
    known = [(tiny(seed), 2 * Target.load("jetson").predict(tiny(seed)).ms) for seed in range(3)]
    assert calibrate(known).metadata.sources[-1].startswith("prior: ")


@pytest.mark.parametrize("base", ["jetson-agx-xavier", "x86-avx512-ort"])
def test_twelve_networks_tell_what_others_take_on_a_device_without_a_base(base: str) -> None:
    device = Target.load(base)
    archs = [SearchSpace.load("mobile").sample(seed) for seed in range(32)]
    found = calibrate([(arch, 2.5 * device.predict(arch).ms) for arch in archs[:12]])
    predictions = [(found.predict(arch), 2.5 * device.predict(arch).ms) for arch in archs[12:]]
    held = [got.low_ms <= ms <= got.high_ms for got, ms in predictions]
    assert sum(held) >= 17
    assert all(got.ms == pytest.approx(ms, rel=0.25) for got, ms in predictions)
