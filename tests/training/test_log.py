"""Curves of a training in other tools, read back by those tools."""

import sys
from pathlib import Path

import pytest

from nas.support.errors import NasError
from nas.training import Recipe
from nas.training.checkpoint import Epoch
from nas.training.log import KINDS, NAMES, logged
from nas.training.progress import TrainingProgress

EPOCHS = [
    Epoch(
        epoch=number, loss=2 / number, accuracy=0.3 * number, validation_loss=1.9 / number,
        validation_accuracy=0.2 * number, seconds=5.0,
    )
    for number in (1, 2)
]  # fmt: skip


def write(place: str) -> None:
    """Two epochs, each said while it runs and when it has ended."""
    with logged([place], "net", Recipe(epochs=2)) as report:
        for number, epoch in enumerate(EPOCHS, start=1):
            before = EPOCHS[number - 2] if number > 1 else None
            report(TrainingProgress(number, 2, number, 4, 1.0, 0.5, before, None))
            report(TrainingProgress(number, 2, 2 * number, 4, 1.0, 0.5, epoch, None))


def expected(key: str) -> list[tuple[int, float]]:
    return [(epoch.epoch, getattr(epoch, key)) for epoch in EPOCHS]


def test_mlflow_has_every_epoch_once(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", exc_type=ImportError)
    store = f"sqlite:///{tmp_path}/runs.db"
    write(f"mlflow:{store}")
    client = mlflow.MlflowClient(store)
    (run,) = client.search_runs(["0"])
    assert run.info.run_name == "net"
    assert run.info.status == "FINISHED"
    assert run.data.params["epochs"] == "2"
    for key, label in NAMES.items():
        found = [
            (each.step, each.value) for each in client.get_metric_history(run.info.run_id, label)
        ]
        assert found == expected(key)


def test_tensorboard_has_every_epoch_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", exc_type=ImportError)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write(f"tensorboard:{tmp_path}")
    events = EventAccumulator(str(tmp_path / "net"))
    events.Reload()
    for key, label in NAMES.items():
        found = events.Scalars(label)
        assert [each.step for each in found] == [step for step, _ in expected(key)]
        assert [each.value for each in found] == pytest.approx([v for _, v in expected(key)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_that_is_not_there_is_one_line(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(NasError, match=rf"needs the package {kind}: pip install '\.\[{kind}\]'"):
        write(f"{kind}:{tmp_path}")


def test_another_tool_is_one_line() -> None:
    with pytest.raises(NasError, match="log 'wandb' is unknown"):
        write("wandb:x")


def test_an_import_that_fails_in_the_training_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="mine"), logged([], "net", Recipe()):
        raise ImportError("mine")
