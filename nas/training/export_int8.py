"""Export of a trained network as int8: calibrated, and its accuracy beside that of float32."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from onnx import helper

from nas.branches import deployed_state
from nas.data import DataSet
from nas.formats.endings import FileFormat
from nas.formats.folding import folded
from nas.formats.litert import LiteRT, installed
from nas.formats.onnx_model import graph_to_onnx
from nas.formats.scales import scales, tensor_names
from nas.formats.verified import output_file
from nas.support.errors import NasError
from nas.support.files import write_whole
from nas.support.plain_torch import plain_torch
from nas.training.export import check_data, facts
from nas.training.int8 import Inputs, Int8, accuracy, outputs, to_int8
from nas.training.trained import Trained

RUN_BY_LITERT = 1000  # images at most: it takes them one by one
POINT = 0.01  # of accuracy: more than that lost is worth a warning


class LiteRTCheck(NamedTuple):
    """A TFLite file run by LiteRT on the first `images`: its accuracy, that of onnxruntime on the
    same ones, and the share of outputs in which the two are at most one step of int8 apart."""

    accuracy: float
    onnx_accuracy: float
    within_a_step: float
    images: int


class ExportedInt8(NamedTuple):
    """How it was made int8; its accuracy and that in float32, both by onnxruntime, on `images`
    images, which are the test images if there are any (`tested`), and the validation images if not.

    `litert` is None where the file is no TFLite file, or LiteRT is not installed to run it.
    """

    int8: Int8
    accuracy: float
    float_accuracy: float
    images: int
    tested: bool
    litert: LiteRTCheck | None

    @property
    def lost(self) -> bool:
        """Whether int8 costs more than a point of accuracy."""
        return self.float_accuracy - self.accuracy > POINT


@plain_torch()
def export_int8(
    trained: Trained,
    data: DataSet,
    path: Path,
    *,
    file_format: FileFormat = "onnx",
    symmetric: bool = False,
    dynamic_batch: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> ExportedInt8:
    """Writes a trained network as int8, ONNX in the QDQ form or TFLite, calibrated on its training
    images, and measures what that costs on images that took no part in it.

    `symmetric` is int8 with its zero at 0, as TensorRT requires. Errors: `NasError` where the data
    are not those of the training, or the file cannot be written.
    """
    check_data(trained, data)
    if file_format == "tflite":
        if symmetric:
            raise NasError("symmetric int8 is for TensorRT, which reads ONNX, not TFLite")
        from nas.formats.tflite import to_tflite  # before the work: it may not be installed
    output = output_file(path)
    found = to_int8(trained, data, symmetric=symmetric)
    way, about = found.best.way, facts(trained, {"int8": found.best.way.label, **(metadata or {})})
    judged = data.validation if data.test is None else data.test
    images = Inputs(judged, trained, data)
    weights = deployed_state(trained.module)
    plain = folded(trained.arch.graph(), weights)
    expected = outputs(graph_to_onnx(*plain, dynamic_batch=True), images)
    logits = outputs(way.onnx(dynamic_batch=True, symmetric=symmetric), images)
    litert = None
    if file_format == "tflite":
        about = {"architecture": trained.arch.to_json(), **about}
        written = to_tflite(way.graph, way.state, int8=way.ranges, metadata=about)
        if installed():
            some = slice(RUN_BY_LITERT)
            few = Inputs(judged.take(np.arange(len(judged.labels))[some]), trained, data)
            own = np.concatenate([*map(LiteRT(written), few.batches())])
            step = scales(way.graph, way.ranges)[tensor_names(way.graph)[way.graph.output]].scale
            near = float((np.abs(own - logits[some]) < 1.5 * step).mean())
            labels = judged.labels[some]
            litert = LiteRTCheck(
                accuracy(own, labels), accuracy(logits[some], labels), near, len(labels)
            )
    else:
        model = way.onnx(dynamic_batch=dynamic_batch, symmetric=symmetric)
        helper.set_model_props(model, {"architecture": trained.arch.to_json(), **about})
        written = model.SerializeToString()
    write_whole(output, written)
    return ExportedInt8(
        found,
        accuracy(logits, judged.labels),
        accuracy(expected, judged.labels),
        len(judged.labels),
        data.test is not None,
        litert,
    )
