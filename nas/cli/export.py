"""`nas export`: what is asked for, and by which of its ways it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.data import MovedOption
from nas.cli.options import (
    JsonOption,
    NetworkArgument,
    PluginOption,
    ResolutionOption,
    StorageOption,
    as_resolution,
)
from nas.formats.endings import ENDINGS, OTHER_ENDINGS, FileFormat, Form


def export(
    study: NetworkArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The file to write. Default: STUDY.onnx, STUDY-TRIAL.onnx, DIR/model.onnx, or as "
            "--format ends; NAME_int8 with --int8.",
        ),
    ] = None,
    trial: Annotated[int | None, typer.Option(hidden=True)] = None,
    export_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="onnx, tflite, openvino, ncnn, mnn or torch. Default: that of --output.",
            show_default=False,
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Write int8, calibrated on the training images.")
    ] = False,
    symmetric: Annotated[
        bool, typer.Option("--symmetric", help="int8 with its zero at 0, for TensorRT.")
    ] = False,
    dynamic_batch: Annotated[bool, typer.Option(help="Let the batch size vary.")] = False,
    opset: Annotated[
        int | None,
        typer.Option(help="ONNX operator set, for tools that want a newer one. Default: 13."),
    ] = None,
    resolution: ResolutionOption = None,
    data: MovedOption = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a network as a file to deploy: a trained one, or an untrained one to be measured."""
    from nas import plugins
    from nas.cli.export_other import export_other_format
    from nas.cli.export_trained import export_training
    from nas.cli.export_untrained import export_network, export_trial
    from nas.formats.onnx_model import check_opset
    from nas.study.networks import check_chosen, find_study, split_trial
    from nas.support.errors import NasError
    from nas.training.checkpoint import is_training

    study, number = split_trial(study, storage)
    trial = trial if number is None else number
    if (size := as_resolution(resolution)) is not None:
        check_chosen(study, size, storage)
    if (other := other_format(export_format, output)) is not None:
        given = {"--int8": int8, "--symmetric": symmetric, "--dynamic-batch": dynamic_batch}
        given[f"--opset {opset}"] = opset is not None
        if named := next((option for option, said in given.items() if said), None):
            raise NasError(f"{named}: --format {other} is float32, for one image, without an opset")
        if data is not None:
            raise NasError(f"--data: --format {other} is checked on noise alone")
        plugins.load_all(plugin)
        export_other_format(other, study, trial, output, size, storage, as_json)
        return
    file_format = format_of(export_format, output, dynamic_batch=dynamic_batch, symmetric=symmetric)
    if symmetric and not int8:
        raise NasError("--symmetric is a kind of int8: give --int8 too")
    if opset is not None and (int8 or file_format != "onnx"):
        raise NasError(f"--opset {opset} is for ONNX in float32 alone")
    plugins.load_all(plugin)
    form = Form(file_format, int8, symmetric, dynamic_batch, check_opset(opset))
    if is_training(study):
        export_training(Path(study), output, form, data, as_json)
    elif data is None and trial is None and find_study(study, storage) is None:
        export_network(study, output, form, size, storage, as_json)
    elif data is not None:
        raise NasError("--data is for the folder of a training: a study's networks are untrained")
    else:
        export_trial(study, trial, output, form, storage, as_json)


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
