"""The table of trained networks: it is read as it was written, and its numbers are checked."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from nas import NasError, SearchSpace, cost

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import analyse_ground_truth as analysis  # noqa: E402
import ground_truth_plan as planning  # noqa: E402
import rank_statistics as statistics  # noqa: E402
from ground_truth_table import TABLE, Run, load, networks, save  # noqa: E402


def run(number: int, seed: int = 0, accuracy: float = 0.9) -> Run:
    arch = SearchSpace.load("small").sample(number)
    params, macs, peak_bytes = cost(arch)
    return Run(
        number, seed, "mixed", accuracy, 0.3, macs, params, peak_bytes, 4, int(arch.resolution),
        60.5, arch.hash, "a, b", "{}", arch.to_json(),
    )  # fmt: skip


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    runs = [run(1, 1, 0.92), run(0), run(1)]
    save(runs, path)
    assert load(path) == [runs[1], runs[2], runs[0]]
    first, second = networks(load(path))
    assert second.accuracy == pytest.approx(0.91)
    assert cost(first.first.arch).macs == first.first.macs
    assert load(tmp_path / "none.csv") == []


def test_a_wrong_table_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    save([run(0), run(0)], path)
    with pytest.raises(NasError, match="row 3: repeats row 2"):
        load(path)
    save([run(0, accuracy=91.0)], path)
    with pytest.raises(NasError, match=r"row 2: accuracy 91\.0 must be from 0 to 1"):
        load(path)
    path.write_text("a,b\n")
    with pytest.raises(NasError, match="the columns must be"):
        load(path)


@pytest.mark.skipif(not TABLE.exists(), reason="no network has been trained yet")
def test_the_table_that_is_kept_is_sound() -> None:
    for run in load():
        found = cost(run.arch)
        assert (run.arch.hash, found.macs, found.params) == (run.hash, run.macs, run.params)
        assert run.accuracy > 0.5


def test_any_beginning_of_the_plan_is_balanced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "POOL", 300)
    monkeypatch.setattr(planning, "NETWORKS", 56)
    plan = planning.plan.__wrapped__()
    assert len({planned.arch.hash for planned in plan}) == 56
    for end in (28, 56):
        groups = [planned.group for planned in plan[:end]]
        assert groups.count("mixed") == end // 2
        assert groups.count("fire") == end // 14
        macs = np.array([cost(planned.arch).macs / 1e6 for planned in plan[:end]])
        assert macs.min() >= 1
        assert macs.max() <= 20
        assert 2.5 < np.median(macs) < 6.5


def test_statistics_of_known_cases() -> None:
    rng = np.random.default_rng(0)
    z, noise = rng.normal(size=2000), rng.normal(size=2000)
    assert abs(statistics.partial_spearman(z + rng.normal(size=2000), z + noise, z)) < 0.06
    assert statistics.partial_spearman(z + noise, noise, z) > 0.95
    assert statistics.pooled_deviation([[1, 3], [5, 7]]) == pytest.approx(2**0.5)
    assert statistics.ceiling(z, 0.5) == pytest.approx((1 - 0.25) ** 0.5, abs=0.03)
    value, low, high = statistics.bootstrapped(statistics.spearman, z[:50], z[:50] + noise[:50])
    assert low < value < high


def test_a_short_table_is_reported_with_what_it_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "runs", lambda: [None] * 290)  # it takes long to plan them
    text = analysis.report(networks([run(0), run(1)]), networks([run(1)]))
    assert "2 of the 200 planned networks (2 of 290 runs)" in text
    assert text.count("Not known yet") == 5


def test_longer_training_is_compared_network_by_network() -> None:
    short = networks([run(i, accuracy=0.80 + i / 100) for i in range(10)])
    long = networks([run(i, accuracy=0.99 - i / 100) for i in range(9, 0, -1)])
    measures = {"default": np.arange(10.0), "undefined": np.full(10, np.nan)}
    text = analysis.lengthened(measures, short, long)
    assert "9 networks were trained 4 times as long" in text
    assert "two orders: -1.00" in text
    assert "| default | 1.00 (1.00 to 1.00) | -1.00 (-1.00 to -1.00) |" in text
    assert "undefined" not in text
