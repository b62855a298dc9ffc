"""`nas export` without a training's folder: of a study, a published network, or a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.exported import (
    INHERITED,
    NOT_RUN,
    UNTRAINED,
    of_file,
    print_difference,
    versions,
)
from nas.cli.terminal import echo, echo_json
from nas.formats.endings import Form
from nas.support.text import significant

if TYPE_CHECKING:
    from nas.architecture import Architecture
    from nas.resolution import Resolution
    from nas.study import Record, Study
    from nas.torch_module import Network

Metadata = dict[str, str]


def export_network(
    name: str,
    output: Path | None,
    form: Form,
    resolution: Resolution | None,
    storage: str | None,
    as_json: bool,
) -> None:
    """Writes a published network or that of a file, and says how far it is from torch."""
    from nas.formats.file_weights import file_weights
    from nas.formats.verified import initialised, output_file, unnamed_output
    from nas.networks import made_here
    from nas.study.networks import find_network
    from nas.support.errors import NasError
    from nas.support.files import file_name

    arch = made_here(find_network(name, resolution, storage)[0], "nas export")
    named = file_name(arch.name or arch.hash[:12])
    default = Path(form.default_name(named))
    path = output_file(output) if output else unnamed_output(default)
    if path.exists() and os.path.exists(name) and path.samefile(name):
        raise NasError(
            f"{output or path} is the file that is read, whose weights would be lost: "
            "name another with --output"
        )
    found = file_weights(name, arch, int8=form.int8)
    module, about = found or (partial(initialised, arch), {"weights": "untrained"})
    difference = _write(arch, module, path, form, {**about, "versions": versions()})
    if as_json:
        echo_json({"file": str(path), "network": named, "difference": difference})
        return
    size = significant(path.stat().st_size / 1e6)
    echo(f"{path}: {named}, {arch.resolution} px, {size} MB")
    _print_run(form, difference)
    echo(of_file(name, about) if found else UNTRAINED)


def export_trial(
    name: str,
    trial: int | None,
    output: Path | None,
    form: Form,
    storage: str | None,
    as_json: bool,
) -> None:
    """Writes the network of a study's trial, or its best, and says what it is predicted to cost."""
    from nas.formats.verified import initialised, output_file, unnamed_output
    from nas.study.networks import load_study
    from nas.study.pruning import inherited_module
    from nas.support.files import file_name

    if output is not None:
        output_file(output)
    study = load_study(name, storage)
    settings = study.settings
    named = study.name if trial is None else f"{study.name}-{trial}"
    default = Path(form.default_name(file_name(named)))
    path = output or unnamed_output(default)
    record = study.record(trial)
    arch = study.network(record)
    metadata = {
        "study": study.name,
        "trial": str(record.trial),
        "target": settings.target,
        "budgets": json.dumps(settings.budgets),
        "versions": versions(),
        "weights": "untrained" if settings.pruning is None else "inherited, untrained",
    }
    if settings.pruning is None:
        module = partial(initialised, arch, settings.seed)
    else:
        module = partial(inherited_module, settings, arch)
    difference = _write(arch, module, path, form, metadata, settings.seed)
    if as_json:
        shown = {k: v for k, v in record.to_dict().items() if k != "architecture"}
        echo_json({"file": str(path), **shown, "difference": difference})
        return
    _print_trial(study, record, path)
    _print_run(form, difference)
    echo(UNTRAINED if settings.pruning is None else INHERITED)


def _print_trial(study: Study, record: Record, path: Path) -> None:
    from nas.report.words import extrapolated, known_interval, study_target

    target, _ = study_target(study)
    known = target is None or target.interval_known
    predicted = known_interval(*record.latency_interval_ms, known)
    size = path.stat().st_size / 1e6
    echo(
        f"{path}: trial {record.trial}, {significant(record.macs / 1e6)} MMACs, "
        f"{significant(record.params / 1e6)} Mparams, {record.resolution} px, "
        f"{significant(record.latency_ms)} ms ({predicted}), {significant(size)} MB"
    )
    for line in extrapolated(target, [(record.latency_ms, *record.latency_interval_ms)]):
        echo(line)


def _print_run(form: Form, difference: float | None) -> None:
    """Says what running the file gave, or why it was not run."""
    if form.int8:
        echo("int8 with fixed ranges: to be timed, its outputs mean nothing")
    elif difference is None:
        echo(NOT_RUN)
    else:
        print_difference("onnxruntime" if form.file_format == "onnx" else "LiteRT", difference)


def _write(
    arch: Architecture,
    module: Callable[[], Network],
    path: Path,
    form: Form,
    metadata: Metadata,
    seed: int = 0,
) -> float | None:
    """Writes a network; returns its largest difference from torch, None where it was not run."""
    from nas.formats.verified import export_onnx, output_file
    from nas.support.files import write_whole

    if form.int8:
        write_whole(output_file(path), _int8(arch, form, metadata, seed))
        return None
    if form.file_format == "tflite":
        from nas.formats.tflite.verified import checked_tflite

        file = output_file(path)
        data, difference = checked_tflite(arch, module(), metadata)
        write_whole(file, data)
        return difference
    return export_onnx(
        arch,
        path,
        module(),
        dynamic_batch=form.dynamic_batch,
        metadata=metadata,
        opset=form.opset,
    )


def _int8(arch: Architecture, form: Form, metadata: Metadata, seed: int) -> bytes:
    """An untrained network as int8, with ranges that are fixed: it can only be timed."""
    from onnx import helper

    from nas.formats.folding import folded
    from nas.formats.onnx_model import graph_to_onnx
    from nas.formats.quantise import quantised
    from nas.formats.scales import scales

    if form.file_format == "tflite":
        from nas.formats.tflite import to_tflite

        return to_tflite(arch, int8={}, metadata=metadata, seed=seed)
    graph, state = folded(arch.graph(), seed=seed)
    steps = scales(graph, symmetric=form.symmetric)
    plain = graph_to_onnx(graph, state, dynamic_batch=form.dynamic_batch)
    model = quantised(plain, steps, symmetric=form.symmetric)
    helper.set_model_props(model, {"architecture": arch.to_json(), **metadata})
    data: bytes = model.SerializeToString()
    return data
