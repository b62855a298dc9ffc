"""Export of a trained network, checked: onnxruntime classifies validation images as torch does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import onnxruntime
import torch

from nas.data import DataSet
from nas.formats.onnx_model import OPSET
from nas.formats.verified import checked, output_file
from nas.support.errors import NasError
from nas.support.files import write_whole
from nas.support.plain_torch import plain_torch
from nas.training.accuracy import BATCH, logits, metrics
from nas.training.batches import Normalise, Pixels
from nas.training.trained import Trained

DISAGREEMENT = 1e-3


class Exported(NamedTuple):
    """The check of an export: the `difference` that `export_onnx` gives, the accuracy of
    onnxruntime and of torch on the validation images, and the number of these images."""

    difference: float
    accuracy: float
    torch_accuracy: float
    images: int


@plain_torch()
def export_trained(
    trained: Trained,
    data: DataSet,
    path: Path,
    *,
    dynamic_batch: bool = False,
    metadata: Mapping[str, str] | None = None,
    opset: int = OPSET,
) -> Exported:
    """Writes a trained network as ONNX after onnxruntime has classified the validation images.

    The file's metadata say how images are prepared; `values` are the lowest and highest of images
    of more than eight bits, which become 0 and 255. Errors: those of `export_onnx`, and `NasError`
    where the data are not those of the training, or onnxruntime and torch disagree on more than one
    image in a thousand. Nothing is written then.
    """
    if data.checksum != trained.data.checksum:
        raise NasError(f"data set {data.source} has changed since the training")
    output = output_file(path)
    arch, module = trained.arch, trained.module
    facts = trained.data
    about = {
        "classes": json.dumps(facts.classes),
        "mean": json.dumps(facts.mean),
        "deviation": json.dumps(facts.deviation),
        "preparation": "(image / 255 - mean) / deviation, for each channel",
        **({} if facts.values is None else {"values": json.dumps(facts.values)}),
        **(metadata or {}),
    }
    model, difference = checked(arch, module, dynamic_batch, about, opset)
    cpu = torch.device("cpu")
    images, normalise = Pixels(data.validation, arch.resolution, cpu), Normalise(data, cpu)
    expected = logits(module, images, normalise)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    size = BATCH if dynamic_batch else 1
    outputs = torch.cat(
        [
            torch.from_numpy(session.run(None, {"image": normalise(part).numpy()})[0])
            for part in torch.split(images.pixels, size)
        ]
    )
    other = (outputs.argmax(1) != expected.argmax(1)).double().mean().item()
    if other > DISAGREEMENT:
        raise NasError(f"onnxruntime classifies {other:.2%} of the images otherwise than torch")
    write_whole(output, model)
    right = metrics(outputs, images.labels).accuracy
    return Exported(difference, right, metrics(expected, images.labels).accuracy, len(images))
