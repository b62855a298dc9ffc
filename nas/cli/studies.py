"""`nas show` and `nas export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.data import MovedOption
from nas.cli.options import NETWORK_HELP, JsonOption, PluginOption, StorageOption, StudyArgument
from nas.cli.terminal import echo, echo_json, echo_lines
from nas.support.text import significant

if TYPE_CHECKING:
    from nas.formats.endings import FileFormat
    from nas.study import Study


def show(
    study: StudyArgument,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
    as_config: Annotated[
        bool, typer.Option("--config", help="Print its settings for `nas search --config`.")
    ] = False,
) -> None:
    """Show a study: its Pareto front, and its best network."""
    from nas import plugins
    from nas.cli.tables import layers_table, print_best, print_finalists
    from nas.cli.tables import show as show_parts
    from nas.report.words import study_target
    from nas.study import Study
    from nas.study.config import config_text

    plugins.load_all(plugin)
    loaded = Study.load(study, storage)
    if as_json:
        echo_json(study_facts(loaded))
        return
    if as_config:
        echo_lines(config_text(loaded))
        return
    best = loaded.record()
    print_best(loaded)
    print_finalists(loaded)
    target, _ = study_target(loaded)
    if target:
        layers = layers_table(best.arch, target)
        show_parts("", f"Trial {best.trial}, the best, layer by layer", layers)


def study_facts(study: Study) -> dict[str, Any]:
    """A study as JSON types."""
    from nas.study.finalists import read_finalists
    from nas.study.rounds import trained as learned

    tally, finalists = study.tally(), read_finalists(study)
    trained = {"finalists": [f.to_dict() for f in finalists]} if finalists else {}
    return trained | {
        "study": study.name,
        "space": study.space.name,
        "target": study.settings.target,
        "budgets": list(study.settings.budgets),
        "sampler": study.settings.sampler,
        "objectives": list(study.settings.objectives),
        "trials": tally.trials,
        "feasible": tally.scored,
        "scored_by": ", ".join(study.settings.proxies) or study.score_name,
        "trained": [each._asdict() for each in learned(study).values()],
        "best": tally.best.to_dict() if tally.best else None,
        "pareto": [record.to_dict() for record in study.pareto()],
        "hypervolume": _hypervolume(study) if tally.scored else [],
    }


def _hypervolume(study: Study) -> list[float] | None:
    """The hypervolume after each trial; None where the target's table has changed since."""
    from nas.study.compare import curves
    from nas.support.errors import NasError

    try:
        return [float(value) for value in curves([study])[0].hypervolume]
    except NasError:
        return None


def export(
    study: Annotated[
        str,
        typer.Argument(metavar="NETWORK", help=NETWORK_HELP),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The file to write. Default: STUDY.onnx, DIR/model.onnx, or as --format ends.",
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
    data: MovedOption = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a network as a file to deploy: a trained one, or an untrained one to be measured."""
    from nas import plugins
    from nas.cli.export import (
        NOT_RUN,
        export_in_other_format,
        export_untrained_int8,
        export_untrained_tflite,
        format_of,
        other_format,
    )
    from nas.cli.network import export_network
    from nas.formats.endings import ENDINGS
    from nas.report.words import extrapolated, known_interval, study_target
    from nas.study import Study
    from nas.study.networks import find_study, split_trial
    from nas.support.errors import NasError
    from nas.support.files import file_name
    from nas.training.checkpoint import is_training

    study, number = split_trial(study, storage)
    trial = trial if number is None else number
    if (other := other_format(export_format, output)) is not None:
        if int8 or symmetric or dynamic_batch:
            raise NasError(f"--format {other} is float32, for one image")
        if data is not None:
            raise NasError(f"--data: --format {other} is checked on noise alone")
        plugins.load_all(plugin)
        export_in_other_format(other, study, trial, output, storage)
        return
    form = format_of(export_format, output, dynamic_batch=dynamic_batch, symmetric=symmetric)
    if symmetric and not int8:
        raise NasError("--symmetric is a kind of int8: give --int8 too")
    plugins.load_all(plugin)
    if is_training(study):
        _export_training(
            Path(study), output, form, int8, symmetric, dynamic_batch, opset, data, as_json
        )
        return
    if data is None and trial is None and find_study(study, storage) is None:
        export_network(
            study,
            output,
            form,
            storage,
            {"versions": _versions()},
            int8=int8,
            symmetric=symmetric,
            dynamic_batch=dynamic_batch,
            opset=opset,
            as_json=as_json,
        )
        return
    from nas.formats.onnx_model import OPSET, check_opset
    from nas.formats.verified import export_onnx, initialised, output_file, unnamed_output

    if data is not None:
        raise NasError("--data is for the folder of a training: a study's networks are untrained")
    opset = OPSET if opset is None else check_opset(opset)
    if output is not None:
        output_file(output)
    loaded = Study.load(study, storage)
    output = output or unnamed_output(Path(f"{file_name(loaded.name)}{ENDINGS[form]}"))
    record = loaded.record(trial)
    arch = loaded.network(record)
    metadata = {
        "study": loaded.name,
        "trial": str(record.trial),
        "target": loaded.settings.target,
        "budgets": json.dumps(loaded.settings.budgets),
        "versions": _versions(),
        "weights": "untrained" if loaded.settings.pruning is None else "inherited, untrained",
    }
    if loaded.settings.pruning is None:
        module = initialised(arch, loaded.settings.seed)
    else:
        from nas.study.pruning import inherited_module

        module = inherited_module(loaded.settings, arch)
    difference: float | None = None
    if int8:
        export_untrained_int8(
            arch,
            output,
            form,
            metadata,
            symmetric=symmetric,
            dynamic_batch=dynamic_batch,
            seed=loaded.settings.seed,
        )
    elif form == "onnx":
        difference = export_onnx(
            arch, output, module, dynamic_batch=dynamic_batch, metadata=metadata, opset=opset
        )
    else:
        difference = export_untrained_tflite(arch, output, metadata, module)
    if as_json:
        shown = {k: v for k, v in record.to_dict().items() if k != "architecture"}
        echo_json({"file": str(output), **shown, "difference": difference})
        return
    target, _ = study_target(loaded)
    known = target is None or target.interval_known
    predicted = known_interval(*record.latency_interval_ms, known)
    size = output.stat().st_size / 1e6
    echo(
        f"{output}: trial {record.trial}, {significant(record.macs / 1e6)} MMACs, "
        f"{significant(record.params / 1e6)} Mparams, {record.resolution} px, "
        f"{significant(record.latency_ms)} ms ({predicted}), {significant(size)} MB"
    )
    for line in extrapolated(target, [(record.latency_ms, *record.latency_interval_ms)]):
        echo(line)
    if int8:
        echo("int8 with fixed ranges: to be timed, its outputs mean nothing")
    elif difference is None:
        echo(NOT_RUN)
    else:
        runtime = "onnxruntime" if form == "onnx" else "LiteRT"
        echo(
            f"largest difference between {runtime} and torch, relative to the largest output where "
            f"that is above 1: {difference:.2g}"
        )
    if loaded.settings.pruning is None:
        echo("the weights are untrained: the file is the architecture, ready to be measured")
    else:
        echo("the weights are inherited and not fine-tuned: that is for the folder of a finalist")


def _export_training(
    folder: Path,
    output: Path | None,
    form: FileFormat,
    int8: bool,
    symmetric: bool,
    dynamic_batch: bool,
    opset: int | None,
    moved: str | None,
    as_json: bool,
) -> None:
    from nas.cli.export import export_trained_int8, print_check
    from nas.data import load_again
    from nas.formats.endings import ENDINGS
    from nas.formats.onnx_model import OPSET, check_opset
    from nas.formats.verified import unnamed_output
    from nas.training import Trained
    from nas.training.checkpoint import MODEL
    from nas.training.export import export_trained

    opset = OPSET if opset is None else check_opset(opset)
    trained = Trained.load(folder)
    default = folder / MODEL
    if form != "onnx" or int8:
        default = default.with_name(f"model{'_int8' if int8 else ''}{ENDINGS[form]}")
    output = output or unnamed_output(default)
    facts = trained.data
    data = load_again(facts.source, facts.seed, facts.options, facts.checksum, moved)
    metadata = {"versions": _versions(), "weights": f"trained on {data.source}"}
    if int8:
        export_trained_int8(
            trained,
            data,
            output,
            form,
            symmetric=symmetric,
            dynamic_batch=dynamic_batch,
            metadata=metadata,
            as_json=as_json,
        )
        if as_json:
            return
    else:
        done = export_trained(
            trained,
            data,
            output,
            file_format=form,
            dynamic_batch=dynamic_batch,
            metadata=metadata,
            opset=opset,
        )
        if as_json:
            echo_json({"file": str(output), **done._asdict()})
            return
        size = output.stat().st_size / 1e6
        arch = trained.arch
        echo(f"{output}: trained on {data.source}, {arch.resolution} px, {significant(size)} MB")
        print_check(done)
    mean, deviation = (
        ", ".join(f"{v:.4f}" for v in m) for m in (trained.data.mean, trained.data.deviation)
    )
    if facts.values is not None:
        low, high = facts.values
        echo(f"values of {low:.6g} to {high:.6g} become an image's 0 to 255")
    echo(f"it takes (image / 255 - mean) / deviation: mean {mean}, deviation {deviation}")


def _versions() -> str:
    """The versions that an exported file was made with, as JSON."""
    import onnx
    import torch

    from nas._version import __version__

    versions = {"hw-nas": __version__, "torch": torch.__version__, "onnx": onnx.__version__}
    return json.dumps(versions)
