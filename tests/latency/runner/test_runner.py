"""The timing protocol and the batches: drift is undone, and what is wrong is said."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from nas import reference
from nas.blocks import Block
from nas.formats.onnx_model import graph_to_onnx
from nas.latency.measuring.bundle import skeleton
from nas.latency.measuring.plan import in_context
from nas.latency.runner.batches import (
    SESSIONS,
    Entry,
    MeasuringProgress,
    Outcome,
    grow_weights,
    read_rows,
    run,
    write_rows,
)
from nas.latency.runner.clock import Clock, Row, merged
from nas.latency.runner.timing import (
    CPU,
    Failure,
    TimingSettings,
    full_provider,
    onnx_model,
    time_loaded,
)


def row(name: str, latency_ms: float, spread: float = 0.0) -> Row:
    return Row("network", name, latency_ms, spread, 8)


def batch(clock: Clock, speed: float, names: str, disturbed: int | None = None) -> None:
    """A batch on a machine that needs `speed` times as long; a model's number is its true ms."""
    anchors = [row(f"a{i}", i * speed) for i in (1, 2, 3, 4, 5)]
    if disturbed is not None:
        anchors[disturbed] = anchors[disturbed]._replace(latency_ms=40.0)
    clock.add(anchors, [row(name, float(name) * speed) for name in names.split()])


def test_drift_is_undone_even_where_an_anchor_was_disturbed() -> None:
    clock = Clock([])
    batch(clock, 1.0, "7 8")
    batch(clock, 1.25, "9 10", disturbed=2)
    batch(clock, 1.0, "11", disturbed=0)
    batch(clock, 1.0, "12")
    batch(clock, 1.0, "13")
    found = {r.spec: r.latency_ms for r in clock.rows()}
    assert [found[f"a{i}"] for i in (1, 2, 3, 4, 5)] == pytest.approx([1, 2, 3, 4, 5])
    for name in ("7", "8", "9", "10", "11", "12", "13"):
        assert found[name] == pytest.approx(float(name))
    assert clock.drift == pytest.approx(0.25)
    assert len(clock.rows()) == len(found) == 12


def test_a_later_call_has_the_speed_of_the_table() -> None:
    clock = Clock([1.0, 2.0, 3.0, 4.0, 5.0])
    batch(clock, 2.0, "7")
    (only,) = clock.rows()
    assert only.spec == "7"
    assert only.latency_ms == pytest.approx(7)


def test_sessions_of_a_model_become_one_row_with_its_error() -> None:
    """The weighted geometric mean; its standard error, here that of 1, 2 and 4 in powers of 2."""
    rows = [row("a", 1.0), row("b", 3.0, 0.5), row("a", 4.0), row("a", 2.0)]
    a, b = merged(rows)
    assert (a.spec, a.visits) == ("a", 24)
    assert a.latency_ms == pytest.approx(2.0)
    assert a.spread == pytest.approx(np.log(2) / 3**0.5)
    assert b == rows[1]
    heavy = merged([row("a", 1.0), row("a", 4.0)._replace(visits=24)])[0]
    assert heavy.latency_ms == pytest.approx(4**0.75)


def test_noise_and_drift_are_said_with_their_size() -> None:
    quiet = Outcome([row("a", 1, 0.01)] * 3, 0.04, [], True)
    assert not [w for w in quiet.warnings() if "noisy" in w or "steady: batches" in w]
    noisy = Outcome([row("a", 1, s) for s in (0.01, 0.031, 0.2)], 0.12, ["x was left out"], True)
    said = noisy.warnings()
    assert any("noisy" in warning and "3.1%" in warning for warning in said)
    assert any("not steady" in warning and "12%" in warning for warning in said)
    assert said[-1] == "x was left out"


def test_latencies_are_those_of_other_clocks() -> None:
    """A much larger network takes longer, and a run takes what a plain loop around it takes."""
    models = [
        graph_to_onnx(in_context(Block("conv", out=size, kernel=3), (size, 48, 48)).graph())
        for size in (8, 128)
    ]
    settings = TimingSettings(visits=3)
    loaded = [onnx_model(m.SerializeToString(), settings) for m in models]
    small, large = time_loaded(loaded, settings)
    assert 0 < 5 * small.latency_ms < large.latency_ms
    assert (small.visits, large.visits) == (3, 3)


def test_providers_are_known_by_short_and_full_names() -> None:
    for name in ("cpu", "CPU", CPU, "cpuexecutionprovider"):
        assert full_provider(name) == CPU
    with pytest.raises(Failure) as caught:
        full_provider("cuda12")
    for known in onnxruntime.get_available_providers():
        assert known in str(caught.value)


@pytest.mark.parametrize(("name", "deviation"), [("f0.2500", 0.25), ("f0.0110", 0.011)])
def test_weight_files_hold_normal_numbers_and_grow(
    name: str, deviation: float, tmp_path: Path
) -> None:
    path = tmp_path / name
    grow_weights(path, 1000)
    first = path.read_bytes()
    assert len(first) >= 1000
    assert np.frombuffer(first, np.float32).std() == pytest.approx(deviation, rel=0.01)
    grow_weights(path, len(first) + 99)
    grown = path.read_bytes()
    assert len(grown) > len(first)
    assert grown.startswith(first)
    path.write_bytes(grown[: len(first) + 5])  # cut while it was written
    grow_weights(path, len(first) + 99)
    assert path.read_bytes() == grown


def test_a_skeleton_is_the_model_without_its_weights() -> None:
    graph = in_context(Block("conv", out=256, kernel=3), (64, 7, 7)).graph()
    model, weights = skeleton(graph)
    stored = graph_to_onnx(graph)
    large = [t for t in stored.graph.initializer if len(t.raw_data) >= 1024 and len(t.dims) > 1]
    assert [t.dims for t in large] == [[256, 64, 3, 3]]
    # He's deviation is (2 / 576) ** 0.5 = 0.0589; the nearest power of the root of 2 is 1/16.
    assert weights["f0.0625"] == 256 * 64 * 9 * 4
    assert len(model.SerializeToString()) < 10_000
    assert [n.op_type for n in model.graph.node] == [n.op_type for n in stored.graph.node]


def test_weights_of_one_model_do_not_overlap() -> None:
    model, weights = skeleton(reference("mobilenet_v2_100").graph())
    spans: dict[str, list[tuple[int, int]]] = {}
    for tensor in model.graph.initializer:
        facts = {entry.key: entry.value for entry in tensor.external_data}
        if facts:
            begin = int(facts["offset"])
            assert begin % 4096 == 0
            spans.setdefault(facts["location"], []).append((begin, begin + int(facts["length"])))
    assert {name: max(end for _, end in used) for name, used in spans.items()} == weights
    for used in spans.values():
        used.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(used))


def entries(folder: Path, count: int) -> list[Entry]:
    made = []
    for i in range(count):
        graph = in_context(Block("conv", out=8 + i), (8, 4, 4)).graph()
        (folder / f"{i}").write_bytes(graph_to_onnx(graph).SerializeToString())
        made.append(Entry("block", f"block {i}", f"{i}", {}))
    return made


def test_rows_are_on_disk_after_every_batch_and_the_end_is_known(tmp_path: Path) -> None:
    results, seen = tmp_path / "results.csv", []

    def report(progress: MeasuringProgress) -> None:
        assert len(read_rows(results)) == progress.rows
        assert progress.left_seconds <= progress.limit_seconds
        seen.append(progress.rows)

    outcome = run(tmp_path, entries(tmp_path, 60), results, TimingSettings(visits=1), 5, report, 60)
    assert seen == [53, 60]
    assert outcome.complete
    again = run(tmp_path, entries(tmp_path, 60), results, TimingSettings(visits=1), 5, report, 60)
    assert again.rows == read_rows(results)
    assert seen == [53, 60]


def test_each_model_has_all_its_visits_in_sessions_apart(tmp_path: Path) -> None:
    results, seen = tmp_path / "results.csv", []
    settings = TimingSettings(visits=SESSIONS)

    def report(progress: MeasuringProgress) -> None:
        seen.append([r.visits for r in read_rows(results)])

    outcome = run(tmp_path, entries(tmp_path, 8), results, settings, 5, report, 8)
    assert seen == [[1] * 5 + [n] * 3 for n in range(1, SESSIONS + 1)]
    assert outcome.complete
    assert all(r.spread > 0 for r in outcome.rows[5:])


def test_other_rows_than_those_of_the_bundle_are_refused(tmp_path: Path) -> None:
    results = tmp_path / "results.csv"
    write_rows(results, [row("foreign", 1.0)])
    before = results.read_bytes()
    with pytest.raises(Failure, match="no row of the first models"):
        run(tmp_path, entries(tmp_path, 6), results, TimingSettings(visits=1), 1, print, 6)
    results.write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(Failure, match="is no table of nas measure"):
        run(tmp_path, entries(tmp_path, 6), results, TimingSettings(visits=1), 1, print, 6)
    results.write_bytes(before)
