"""What `nas export` does beside float32 ONNX: other formats by the file's name, and int8."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.terminal import echo, echo_json
from nas.formats.endings import ENDINGS, OTHER_ENDINGS, FileFormat

if TYPE_CHECKING:
    from nas.architecture import Architecture
    from nas.data import DataSet
    from nas.torch_module import Network
    from nas.training import Trained
    from nas.training.export import Exported


def format_of(
    named: str | None, output: Path | None, *, dynamic_batch: bool = False, symmetric: bool = False
) -> FileFormat:
    """The format that `--format` names, else that of the output's ending; without one ONNX.

    Errors: `NasError` for an unknown one, for an ending of another format, and for what TFLite has
    not: a varying batch, symmetric int8.
    """
    from nas.support.errors import NasError, one_of

    ending = "" if output is None else output.suffix.lower()
    by_ending = next((form for form, known in ENDINGS.items() if known == ending), None)
    form = next((form for form in ENDINGS if form == named), by_ending)
    if named is not None and form != named:
        raise one_of("export format", named, [*ENDINGS, *OTHER_ENDINGS])
    if form is None and ending:
        *all_but, last = [*ENDINGS.values(), *OTHER_ENDINGS.values()]
        endings = f"{', '.join(all_but)} or {last}"
        raise NasError(f"--output {output}: end it in {endings}, or say which by --format")
    if by_ending not in (None, form):
        raise NasError(f"--output {output} is the name of another format than {form}")
    if form == "tflite" and symmetric:
        raise NasError("--symmetric is for TensorRT, which reads ONNX: TFLite has no use for it")
    if form == "tflite" and dynamic_batch:
        raise NasError("--dynamic-batch is for ONNX: a TFLite file is for one image")
    return form or "onnx"


def other_format(named: str | None, output: Path | None) -> str | None:
    """The format of a single runtime that `--format` names, or else the output's ending; None of
    another."""
    if named is not None or output is None:
        return named if named in OTHER_ENDINGS else None
    ending = output.suffix.lower()
    return next((form for form, known in OTHER_ENDINGS.items() if known == ending), None)


def print_check(done: Exported) -> None:
    """Says what running the file gave."""
    if done.runtime is None:
        echo(NOT_RUN)
        return
    echo(
        f"accuracy on the {done.images} validation images: {done.accuracy:.2%} through "
        f"{done.runtime}, {done.torch_accuracy:.2%} in torch"
    )


NOT_RUN = "the file was not run: LiteRT is not installed (pip install ai-edge-litert)"


def export_untrained_tflite(
    arch: Architecture, output: Path, metadata: dict[str, str], module: Network
) -> float | None:
    """Writes a study's network as TFLite; returns its largest difference from torch, None where it
    could not be run."""
    from nas.formats.tflite.verified import checked_tflite
    from nas.formats.verified import output_file
    from nas.support.files import write_whole

    file = output_file(output)
    data, difference = checked_tflite(arch, module, metadata)
    write_whole(file, data)
    return difference


def export_untrained_int8(
    arch: Architecture,
    output: Path,
    form: FileFormat,
    metadata: dict[str, str],
    *,
    symmetric: bool,
    dynamic_batch: bool,
    seed: int,
) -> None:
    """Writes an untrained network as int8, with ranges that are fixed: it can only be timed."""
    from onnx import helper

    from nas.formats.folding import folded
    from nas.formats.onnx_model import graph_to_onnx
    from nas.formats.quantise import quantised
    from nas.formats.scales import scales
    from nas.formats.verified import output_file
    from nas.support.files import write_whole

    file = output_file(output)
    if form == "tflite":
        from nas.formats.tflite import to_tflite

        write_whole(file, to_tflite(arch, int8={}, metadata=metadata, seed=seed))
        return
    graph, state = folded(arch.graph(), seed=seed)
    steps = scales(graph, symmetric=symmetric)
    plain = graph_to_onnx(graph, state, dynamic_batch=dynamic_batch)
    model = quantised(plain, steps, symmetric=symmetric)
    helper.set_model_props(model, {"architecture": arch.to_json(), **metadata})
    write_whole(file, model.SerializeToString())


def export_trained_int8(
    trained: Trained,
    data: DataSet,
    output: Path,
    form: FileFormat,
    *,
    symmetric: bool,
    dynamic_batch: bool,
    metadata: dict[str, str],
    as_json: bool = False,
) -> None:
    """Writes a trained network as int8 and says what that costs."""
    from nas.training.export_int8 import export_int8

    done = export_int8(
        trained,
        data,
        output,
        file_format=form,
        symmetric=symmetric,
        dynamic_batch=dynamic_batch,
        metadata=metadata,
    )
    found, best = done.int8, done.int8.best
    if as_json:
        echo_json(
            {
                "file": str(output),
                "int8": best.way.label,
                **{k: v for k, v in done._asdict().items() if k not in ("int8", "litert")},
                "litert": done.litert and done.litert._asdict(),
            }
        )
        return
    size = output.stat().st_size / 1e6
    echo(f"{output}: int8, trained on {data.source}, {trained.arch.resolution} px, {size:.2f} MB")
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
    if done.litert is not None:
        check = done.litert
        echo(
            f"the file, run by LiteRT on {check.images} of them: {check.accuracy:.2%}, beside "
            f"{check.onnx_accuracy:.2%} through onnxruntime; {check.within_a_step:.1%} of the "
            "outputs at most one step of int8 apart"
        )
    elif form == "tflite":
        echo(NOT_RUN)
    if done.lost:
        echo(
            f"nas: warning: int8 costs {100 * (done.float_accuracy - done.accuracy):.1f} points of "
            "accuracy: train with int8 in mind by nas train --int8",
            err=True,
        )


def export_in_other_format(
    form: str, study: str, trial: int | None, output: Path | None, storage: str | None
) -> None:
    """Writes a network, untrained, or a trained one, in the format of a single runtime."""
    from nas.formats.verified import initialised
    from nas.networks import made_here
    from nas.study.networks import find_network, find_study
    from nas.support.errors import NasError
    from nas.support.files import file_name
    from nas.training import Trained
    from nas.training.checkpoint import is_training
    from nas.training.export_others import export_other

    weights = "the weights are untrained: the file is the architecture, ready to be measured"
    if is_training(study):
        trained = Trained.load(Path(study))
        arch, module, weights = trained.arch, trained.module, "its input is normalised images"
        default = Path(study) / f"model{OTHER_ENDINGS[form]}"
    else:
        name = study if trial is None else f"{study}:{trial}"
        arch = made_here(find_network(name, None, storage)[0], "nas export")
        found = find_study(study, storage)
        module = initialised(arch, found.settings.seed if found else 0)
        named = found.name if found else arch.name or arch.hash[:12]
        default = Path(f"{file_name(named)}{OTHER_ENDINGS[form]}")
    if output is None and default.exists():
        raise NasError(f"{default} is there: name the file to write with --output")
    done = export_other(form, arch, module, output or default)
    echo(f"{', '.join(map(str, done.files))}: {arch.resolution} px")
    echo(
        f"largest difference between {done.runtime} and torch, relative to the largest output "
        f"where that is above 1: {done.difference:.2g}"
    )
    echo(weights)
