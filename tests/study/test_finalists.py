"""Finalists: trained on the data, ranked by accuracy, resumable, apart from scores."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from tiny import TINY

from nas.study import Study, search
from nas.study.finalists import read_finalists, run_finalists
from nas.support.errors import NasError
from nas.training import Recipe, Trained, TrainingProgress


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    space = tmp_path / "tiny.yaml"
    import yaml

    space.write_text(yaml.safe_dump({**TINY, "resolution": [8, 12]}))
    return search(
        "jetson", space=space, trials=8, name="s", proxies=["entropy"], data="digits", finalists=3,
        recipe=Recipe(epochs=3, lr=0.2),
    )  # fmt: skip


def test_a_search_on_data_has_its_classes_and_channels(study: Study) -> None:
    for record in study.records():
        assert (record.arch.classes, record.arch.channels, record.resolution) == (10, 1, 8)


def test_finalists_are_ranked_by_what_was_trained(study: Study) -> None:
    best = [record.trial for record in study.pareto()[:3]]
    found = run_finalists(study)
    assert sorted(f.record.trial for f in found) == sorted(best)
    complete = [f for f in found if not f.pruned]
    assert [f.accuracy for f in complete] == sorted((f.accuracy for f in complete), reverse=True)
    for finalist in complete:
        assert Trained.load(finalist.folder).accuracy == finalist.accuracy
    assert run_finalists(study) == found  # nothing is trained twice


def test_stopped_finalists_end_as_they_would_have(study: Study) -> None:
    def stop(_: object, number: int, count: int, progress: TrainingProgress) -> None:
        if progress.last and progress.last.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_finalists(study, stop)
    assert read_finalists(study) == []
    found = {f.record.trial: f.accuracy for f in run_finalists(Study.load("s"))}
    first = study.pareto()[0]
    from nas.data import load_data
    from nas.training import train

    alone = train(first.arch, load_data("digits"), study.settings.recipe)
    assert found[first.trial] == alone.accuracy


def test_a_second_process_waits_for_the_first(study: Study) -> None:
    def locked(*_: object) -> None:
        with Path("studies/s.finalists/.finalists.lock").open() as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.append(lock)

    held: list[object] = []
    assert run_finalists(study, locked)
    assert held


def test_finalists_need_data() -> None:
    with pytest.raises(NasError, match="finalists are trained on data"):
        search("jetson", finalists=2)
