"""`nas export` of a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.exported import NOT_RUN, versions
from nas.cli.terminal import echo, echo_json
from nas.formats.endings import Form
from nas.support.text import significant

if TYPE_CHECKING:
    from nas.data import DataSet
    from nas.training import Trained
    from nas.training.export_int8 import ExportedInt8


def export_training(
    folder: Path, output: Path | None, form: Form, moved: str | None, as_json: bool
) -> None:
    """Writes what was trained in a folder, and says how accurate the file is; `moved` is where its
    data are now, if that is elsewhere."""
    from nas.data import load_again
    from nas.formats.verified import unnamed_output
    from nas.training import Trained

    trained = Trained.load(folder)
    path = output or unnamed_output(folder / form.default_name("model"))
    facts = trained.data
    data = load_again(facts.source, facts.seed, facts.options, facts.checksum, moved)
    (_export_int8 if form.int8 else _export)(trained, data, path, form, as_json)
    if as_json:
        return
    mean, deviation = (", ".join(f"{v:.4f}" for v in m) for m in (facts.mean, facts.deviation))
    if facts.values is not None:
        low, high = facts.values
        echo(f"values of {low:.6g} to {high:.6g} become an image's 0 to 255")
    echo(f"it takes (image / 255 - mean) / deviation: mean {mean}, deviation {deviation}")


def _metadata(data: DataSet) -> dict[str, str]:
    return {"versions": versions(), "weights": f"trained on {data.source}"}


def _export(trained: Trained, data: DataSet, path: Path, form: Form, as_json: bool) -> None:
    from nas.training.export import export_trained

    done = export_trained(
        trained,
        data,
        path,
        file_format=form.file_format,
        dynamic_batch=form.dynamic_batch,
        metadata=_metadata(data),
        opset=form.opset,
    )
    if as_json:
        echo_json({"file": str(path), **done._asdict()})
        return
    size, resolution = path.stat().st_size / 1e6, trained.arch.resolution
    echo(f"{path}: trained on {data.source}, {resolution} px, {significant(size)} MB")
    if done.runtime is None:
        echo(NOT_RUN)
        return
    echo(
        f"accuracy on the {done.images} validation images: {done.accuracy:.2%} through "
        f"{done.runtime}, {done.torch_accuracy:.2%} in torch"
    )


def _export_int8(trained: Trained, data: DataSet, path: Path, form: Form, as_json: bool) -> None:
    """Writes int8, and says what that costs."""
    from nas.training.export_int8 import export_int8

    done = export_int8(
        trained,
        data,
        path,
        file_format=form.file_format,
        symmetric=form.symmetric,
        dynamic_batch=form.dynamic_batch,
        metadata=_metadata(data),
    )
    if as_json:
        echo_json(
            {
                "file": str(path),
                "int8": done.int8.best.way.label,
                **{k: v for k, v in done._asdict().items() if k not in ("int8", "litert")},
                "litert": done.litert and done.litert._asdict(),
            }
        )
        return
    size, resolution = path.stat().st_size / 1e6, trained.arch.resolution
    echo(f"{path}: int8, trained on {data.source}, {resolution} px, {size:.2f} MB")
    _print_int8(done)
    if form.file_format == "tflite" and done.litert is None:
        echo(NOT_RUN)
    if done.lost:
        echo(
            f"nas: warning: int8 costs {100 * (done.float_accuracy - done.accuracy):.1f} points of "
            "accuracy: train with int8 in mind by nas train --int8",
            err=True,
        )


def _print_int8(done: ExportedInt8) -> None:
    found, best = done.int8, done.int8.best
    echo(
        f"calibrated on {found.calibration} training images: {best.way.label}, the best of "
        f"{len(found.tried)} ways on {found.held_out} other ones ({best.accuracy:.2%}, float32 "
        f"{found.float_accuracy:.2%})"
    )
    kind = "test" if done.tested else "validation"
    echo(
        f"accuracy on the {done.images} {kind} images, through onnxruntime: {done.accuracy:.2%} in "
        f"int8, {done.float_accuracy:.2%} in float32"
    )
    if (check := done.litert) is not None:
        echo(
            f"the file, run by LiteRT on {check.images} of them: {check.accuracy:.2%}, beside "
            f"{check.onnx_accuracy:.2%} through onnxruntime; {check.within_a_step:.1%} of the "
            "outputs at most one step of int8 apart"
        )
