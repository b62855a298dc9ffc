"""Curves of a training in TensorBoard or MLflow: `tensorboard:FOLDER`, `mlflow[:SERVER]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

from nas.support.errors import NasError, one_line, one_of
from nas.support.resources import install_extra
from nas.training.checkpoint import Epoch
from nas.training.progress import TrainingProgress, TrainingReport
from nas.training.recipe import Recipe

Write = Callable[[dict[str, float], int], None]
NAMES = {
    "loss": "loss/training",
    "accuracy": "accuracy/training",
    "validation_loss": "loss/validation",
    "validation_accuracy": "accuracy/validation",
    "seconds": "seconds",
}


@contextmanager
def logged(places: Sequence[str], name: str, recipe: Recipe) -> Iterator[TrainingReport]:
    """A callback that writes the metrics of every finished epoch to all places, under the `name` of
    the training. Errors: `NasError` for a place of another kind, or one whose package lacks."""
    with ExitStack() as stack:
        writers = [stack.enter_context(_writer(place, name, recipe)) for place in places]

        def report(progress: TrainingProgress) -> None:
            last = progress.last
            if last is not None and last.epoch == progress.epoch:  # it has just ended
                for write in writers:
                    write(_metrics(last), last.epoch)

        yield report


def check_place(place: str) -> None:
    """Errors: `NasError` for a place of another kind, without its folder or without its package."""
    kind, _, where = place.partition(":")
    if kind not in KINDS:
        raise one_of("log", kind, KINDS)
    if kind == "tensorboard" and not where:
        raise NasError("--log tensorboard: needs a folder, as in tensorboard:runs")
    if find_spec(kind) is None:
        raise _lacking(place, f"No module named '{kind}'")


def _lacking(place: str, why: str) -> NasError:
    kind = place.partition(":")[0]
    hint = f"{install_extra(kind)} ({why})"
    return NasError(f"--log {place}: needs the package {kind}: {hint}")


def _metrics(epoch: Epoch) -> dict[str, float]:
    return {label: getattr(epoch, key) for key, label in NAMES.items()}


@contextmanager
def _writer(place: str, name: str, recipe: Recipe) -> Iterator[Write]:
    check_place(place)
    kind, _, where = place.partition(":")
    with ExitStack() as stack:
        try:
            write = stack.enter_context(KINDS[kind](where, name, recipe))
        except ImportError as error:  # it is not there, or of no use beside what is
            raise _lacking(place, one_line(error)[:200]) from None
        yield write


@contextmanager
def _tensorboard(where: str, name: str, recipe: Recipe) -> Iterator[Write]:
    import tensorboard  # noqa: F401  (torch's own error does not name the package)
    from torch.utils.tensorboard import SummaryWriter

    writer: Any
    try:
        writer = SummaryWriter(f"{where}/{name}")
    except OSError as error:
        raise NasError(f"--log tensorboard:{where}: {error.strerror}") from None
    with writer:
        writer.add_text("recipe", recipe.model_dump_json(indent=1))

        def write(metrics: dict[str, float], epoch: int) -> None:
            for label, value in metrics.items():
                writer.add_scalar(label, value, epoch)
            writer.flush()

        yield write


@contextmanager
def _mlflow(where: str, name: str, recipe: Recipe) -> Iterator[Write]:
    import mlflow

    try:
        if where:
            mlflow.set_tracking_uri(where)
        run = mlflow.start_run(run_name=name)
        mlflow.log_params(recipe.model_dump())
    except Exception as error:  # MLflow's own, its server's, its store's
        raise _of_mlflow(where, error) from None

    def write(metrics: dict[str, float], epoch: int) -> None:
        try:
            mlflow.log_metrics(metrics, step=epoch)
        except Exception as error:
            raise _of_mlflow(where, error) from None

    with run:
        yield write


def _of_mlflow(where: str, error: Exception) -> NasError:
    return NasError(f"--log mlflow:{where}: {one_line(error)[:200]}")


KINDS = {"tensorboard": _tensorboard, "mlflow": _mlflow}
