"""Writes a result's folder: models, card, script; each is checked before the command ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import onnx
import onnxruntime
import torch

from nas._version import __version__
from nas.auto.card import model_card
from nas.auto.measured import Measured, measured_winner
from nas.auto.page import report_lead, report_sections, report_title
from nas.auto.predict import EXAMPLES, SCRIPT, write_predict
from nas.auto.result import WORK, Result
from nas.auto.state import STATE
from nas.data import DataSet
from nas.data.tree import check_no_images
from nas.latency.measuring.remote import Remote
from nas.plugins import options_of
from nas.report.study import study_report
from nas.report.words import named
from nas.support.errors import NasError
from nas.support.files import read_bytes, write_whole
from nas.training.checkpoint import MODEL, WEIGHTS
from nas.training.checkpoint import STATE as TRAINING
from nas.training.export import export_trained
from nas.training.export_int8 import ExportedInt8, export_int8

INT8, TFLITE, TFLITE_INT8 = "model-int8.onnx", "model.tflite", "model-int8.tflite"
CARD, ARCHITECTURE, REPORT = "model_card.md", "architecture.json", "report.html"
OWN = (
    *(MODEL, INT8, TFLITE, TFLITE_INT8, WEIGHTS, TRAINING, ARCHITECTURE, REPORT, SCRIPT, EXAMPLES),
    *(CARD, WORK),
)
TFLITE_RUNTIMES = ("litert", "tflite", "vela")


class Written(NamedTuple):
    """What was written and how it was checked: the int8 export, the share of examples that the
    script agrees on, the measured latency or why there is none."""

    files: tuple[tuple[str, str], ...]
    int8: ExportedInt8
    agreed: float
    measured: Measured | None
    unmeasured: str


def write_result(
    result: Result, data: DataSet, output: Path, remote: Remote | None = None
) -> Written:
    """Fills the output folder; the network is timed on the `remote` machine where that is given.
    Errors: `NasError`, also where something does not compute what it should."""
    check_own(output)
    versions = {
        "hw-nas": __version__, "torch": torch.__version__, "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
    }  # fmt: skip
    metadata = {"versions": json.dumps(versions), "weights": f"trained on {data.source}"}
    export_trained(result.trained, data, output / MODEL, metadata=metadata)
    int8 = export_int8(result.trained, data, output / INT8, metadata=metadata)
    others = _for_runtime(result, data, output, metadata)
    write_whole(output / WEIGHTS, read_bytes(result.folder / WEIGHTS, "weights", most=None))
    write_whole(output / TRAINING, read_bytes(result.folder / TRAINING, "training"))
    write_whole(output / ARCHITECTURE, result.trained.arch.to_json(indent=1) + "\n")
    agreed = write_predict(output, result.trained, data)
    measured, unmeasured = measured_winner(result, remote)
    page, _ = study_report(
        result.study, data.source, report_sections(result, data, measured),
        report_title(result, data), report_lead(result, data, measured),
        result.asked.command(output) + options_of(result.study.settings.plugins),
    )  # fmt: skip
    write_whole(output / REPORT, page)
    files = [
        (REPORT, "the whole story as one page"),
        (MODEL, "float32 ONNX; its metadata say how images are prepared"),
        (INT8, f"int8 ONNX, calibrated on training images: {int8_line(int8)}"),
        *others,
        (WEIGHTS, "the weights, as torch's parameters"),
        (TRAINING, "how it was trained; by it every command takes this folder as a network"),
        (ARCHITECTURE, "the network, as nas reads it"),
        (SCRIPT, "classifies images with onnxruntime"),
        (EXAMPLES, "some of the images, on which the script was tried"),
        (WORK, f"the study and the trainings: `nas show {named(result.study)}`"),
    ]
    text = model_card(
        result, data, files, ", ".join(f"{k} {v}" for k, v in versions.items()), measured
    )
    write_whole(output / CARD, text)
    return Written((*files, (CARD, "this in words")), int8, agreed, measured, unmeasured)


def int8_line(int8: ExportedInt8, page: str = "docs/deploying.md of hw-nas") -> str:
    """What int8 costs, in words, and the page that says more."""
    kind = "test" if int8.tested else "validation"
    said = f"{int8.accuracy:.1%} on the {kind} images, {int8.float_accuracy:.1%} in float32"
    return said + (f"; more than a point is lost: see {page}" if int8.lost else "")


def _for_runtime(
    result: Result, data: DataSet, output: Path, metadata: dict[str, str]
) -> list[tuple[str, str]]:
    """Writes what the target's runtime takes beside ONNX; names and what each is."""
    if not any(name in result.target.metadata.runtime.lower() for name in TFLITE_RUNTIMES):
        return []
    export_trained(result.trained, data, output / TFLITE, file_format="tflite", metadata=metadata)
    export_int8(result.trained, data, output / TFLITE_INT8, file_format="tflite", metadata=metadata)
    return [(TFLITE, "float32 TFLite"), (TFLITE_INT8, "int8 TFLite, of the same scales as ONNX's")]


def check_own(output: Path) -> None:
    """Errors: `NasError` where a file would be replaced that this command did not write, or images
    would be left out of data."""
    if os.path.lexists(output / STATE):
        return
    check_no_images(output)
    for name in OWN:
        if os.path.lexists(output / name):
            raise NasError(f"{output} holds a {name} of something else: choose another --output")
