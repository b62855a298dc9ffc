"""Finalists: trained on the data, ranked by accuracy, resumable, apart from scores."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import TINY

from nas.data import load_data
from nas.space import SearchSpace
from nas.study import Study, begin, search
from nas.study.finalists import (
    _open,
    failed_finalists,
    finalists_folder,
    read_finalists,
    run_finalists,
)
from nas.study.settings import FINALIST_RECIPE
from nas.support.errors import NasError
from nas.torch_module import Network
from nas.training import Recipe, Trained, TrainingProgress


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study whose finalists are to be trained, on a part of the images."""
    folder = tmp_path_factory.mktemp("searched")
    space = folder / "tiny.yaml"
    space.write_text(yaml.safe_dump({**TINY, "resolution": [8, 12]}))
    search(
        "jetson", space=space, trials=8, name="s", proxies=["entropy"], data="digits", finalists=3,
        recipe=Recipe(epochs=3, lr=0.2, images=640), storage=str(folder / "studies"),
    )  # fmt: skip
    return folder


@pytest.fixture
def study(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A copy of it, in the working directory."""
    shutil.copytree(searched, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Study.load("s")


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


def test_a_study_is_not_removed_while_its_finalists_are_trained(study: Study) -> None:
    said = []

    def remove(*_: object) -> None:
        with pytest.raises(NasError, match="is being searched") as refused:
            study.storage.remove("s")
        said.append(refused.value)

    assert run_finalists(study, remove)
    assert said


def test_with_patience_the_epochs_are_those_that_were_trained(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = search(
        "jetson", space=searched / "tiny.yaml", trials=2, name="s", proxies=["entropy"],
        data="digits", finalists=1, recipe=Recipe(epochs=8, lr=5.0, images=128, patience=1),
    )  # fmt: skip
    (finalist,) = run_finalists(study)
    trained = Trained.load(finalist.folder)
    assert finalist.epochs == len(trained.history) < 8
    assert finalist.accuracy == trained.accuracy


@pytest.mark.parametrize("epochs", [1, 9, 10, 25])
def test_finalists_are_looked_at_once_after_a_third(epochs: int, tmp_path: Path) -> None:
    trained = _open(tmp_path, epochs)
    looks = []
    for accuracy in (0.9, 0.5):
        trial = trained.ask()
        for epoch in range(1, epochs + 1):
            trial.report(accuracy, epoch)
            if epoch < epochs and trial.should_prune():
                looks.append(epoch)
                break
    assert looks == ([-(-epochs // 3)] if epochs > 1 else [])


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
        with (finalists_folder(study) / ".finalists.lock").open() as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.append(lock)

    held: list[object] = []
    assert run_finalists(study, locked)
    assert held


def test_few_images_are_seen_more_often(tmp_path: Path) -> None:
    few = load_data("digits")
    options: dict[str, Any] = {"space": "small", "trials": 4, "storage": str(tmp_path)}
    images = len(few.train.labels)
    for name, learn, finalists in (("a", 0, 1), ("b", 6, 0)):
        made = begin("jetson", data=few, name=name, learn=learn, finalists=finalists, **options)
        assert made.settings.recipe.steps(images) >= 540 > FINALIST_RECIPE.steps(images)
    own = begin("jetson", data=few, name="c", finalists=1, recipe=FINALIST_RECIPE, **options)
    assert own.settings.recipe == FINALIST_RECIPE


def test_finalists_need_data() -> None:
    with pytest.raises(NasError, match="finalists are trained on data"):
        search("jetson", finalists=2)


def test_a_new_study_of_the_same_name_has_finalists_of_its_own(study: Study) -> None:
    """Also one of fewer trials, whose networks are others."""
    before = run_finalists(study)
    kept = study.settings
    Path("studies/s.journal").unlink()
    again = search(
        "jetson", space=SearchSpace.from_dict(kept.space), trials=2, name="s", proxies=["entropy"],
        data="digits", finalists=1, recipe=kept.recipe, seed=5,
    )  # fmt: skip
    assert before
    assert read_finalists(again) == []
    (found,) = run_finalists(again)
    assert found.record.arch == again.pareto()[0].arch
    assert Trained.load(found.folder).arch.hash == found.record.hash


def test_a_finalist_that_cannot_be_trained_is_noted_and_the_others_go_on(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas.training import run
    from nas.training.accuracy import Metrics, evaluate

    worst = study.pareto()[2]

    def unlucky(module: Network, *rest: Any) -> Metrics:
        metrics = evaluate(module, *rest)
        params = sum(p.numel() for p in module.parameters())
        return metrics._replace(loss=float("nan")) if params == worst.params else metrics

    monkeypatch.setattr(run, "evaluate", unlucky)
    found = run_finalists(study)
    assert len(found) == 2
    ((record, reason),) = failed_finalists(study)
    assert record == worst
    assert reason == "training diverged in epoch 1: lower the recipe's lr"
    assert run_finalists(study) == found  # it is not tried again


def test_a_finalist_that_this_machine_could_not_train_is_tried_again(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("nas.training.run.evaluate", _no_memory)
        assert run_finalists(study) == []
        assert {reason for _, reason in failed_finalists(study)} == {"no memory is left"}
    assert len(run_finalists(study)) == 3
    assert failed_finalists(study) == []


def _no_memory(*_: object) -> None:
    raise MemoryError("no memory is left")


def test_a_damaged_journal_of_finalists_is_one_line(study: Study) -> None:
    run_finalists(study)
    path = finalists_folder(study) / "optuna.journal"
    path.write_text(path.read_text().replace('"epochs"', '"epoch"'))
    with pytest.raises(NasError, match="finalists of study 's' are damaged"):
        read_finalists(study)
