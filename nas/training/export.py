"""Export of a trained network, checked: a runtime classifies validation images as torch does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from nas.data import DataSet
from nas.formats.endings import FileFormat
from nas.formats.onnx_model import OPSET
from nas.formats.verified import checked, output_file
from nas.support.errors import NasError, check_type
from nas.support.files import given_path, write_whole
from nas.support.plain_torch import plain_torch
from nas.training.accuracy import BATCH, logits, metrics
from nas.training.batches import Normalise, Pixels
from nas.training.trained import Trained

DISAGREEMENT = 1e-3
Array = npt.NDArray[np.float32]


class Exported(NamedTuple):
    """The check of an export by its `runtime`: the largest difference of outputs on noise, relative
    to the largest output where that is above 1; the accuracy of the runtime and of torch on the
    validation images, and their number. Where no runtime is installed for a file's format, the
    first three are None."""

    runtime: str | None
    difference: float | None
    accuracy: float | None
    torch_accuracy: float
    images: int


@plain_torch()
def export_trained(
    trained: Trained,
    data: DataSet,
    path: str | Path,
    *,
    file_format: FileFormat = "onnx",
    dynamic_batch: bool = False,
    metadata: Mapping[str, str] | None = None,
    opset: int = OPSET,
) -> Exported:
    """Writes a trained network as ONNX or TFLite after a runtime has classified the validation
    images: onnxruntime, or LiteRT where it is installed.

    The file's metadata say how images are prepared; `values` are the lowest and highest of images
    of more than eight bits, which become 0 and 255. `dynamic_batch` is ONNX's alone. Errors: those
    of `export_onnx`, and `NasError` where the data are not those of the training, or the runtime
    and torch disagree on more than one image in a thousand. Nothing is written then.
    """
    check_data(trained, data)
    output = output_file(given_path(path, "path"))
    arch, module = trained.arch, trained.module
    about = facts(trained, metadata)
    cpu = torch.device("cpu")
    images, normalise = Pixels(data.validation, arch.resolution, cpu), Normalise(data, cpu)
    expected = logits(module, images, normalise)
    reached = metrics(expected, images.labels).accuracy
    difference: float | None
    if file_format == "tflite":
        from nas.formats.litert import LiteRT
        from nas.formats.tflite.verified import checked_tflite

        model, difference = checked_tflite(arch, module, about)
        if difference is None:
            write_whole(output, model)
            return Exported(None, None, None, reached, len(images))
        run: Callable[[Array], Array] = LiteRT(model)
        runtime, size = "LiteRT", BATCH
    else:
        model, difference = checked(arch, module, dynamic_batch, about, opset)
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        runtime, size = "onnxruntime", BATCH if dynamic_batch else 1

        run = partial(_by_onnxruntime, session)
    outputs = torch.cat(
        [torch.from_numpy(run(normalise(part).numpy())) for part in images.split(size)]
    )
    other = (outputs.argmax(1) != expected.argmax(1)).double().mean().item()
    if other > DISAGREEMENT:
        raise NasError(f"{runtime} classifies {other:.2%} of the images otherwise than torch")
    write_whole(output, model)
    right = metrics(outputs, images.labels).accuracy
    return Exported(runtime, difference, right, reached, len(images))


def _by_onnxruntime(session: onnxruntime.InferenceSession, images: Array) -> Array:
    return np.asarray(session.run(None, {"image": images})[0])


def check_data(trained: Trained, data: DataSet) -> None:
    """Errors: `NasError` where the data are not those of the training, or either is none."""
    check_type(trained, "trained", "a training, as Trained.load gives", Trained)
    check_type(data, "data", "a data set, as nas.data.load_data gives", DataSet)
    if data.checksum != trained.data.checksum:
        raise NasError(f"data set {data.source} has changed since the training")


def facts(trained: Trained, metadata: Mapping[str, str] | None) -> dict[str, str]:
    """What an exported file says of a trained network: its classes, and how images are prepared."""
    known = trained.data
    return {
        "classes": json.dumps(known.classes),
        "mean": json.dumps(known.mean),
        "deviation": json.dumps(known.deviation),
        "preparation": "(image / 255 - mean) / deviation, for each channel",
        **({} if known.values is None else {"values": json.dumps(known.values)}),
        **(metadata or {}),
    }
