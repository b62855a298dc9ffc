"""Export of a trained network: onnxruntime classifies the validation images as torch does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import onnxruntime
import torch

from nas.data import DataSet
from nas.formats.verified import checked, output_file
from nas.support.errors import NasError
from nas.support.files import write_whole
from nas.training.accuracy import logits, metrics
from nas.training.batches import Normalise, Pixels
from nas.training.trained import Trained

DISAGREEMENT = 1e-3
_BATCH = 250


class Exported(NamedTuple):
    """`difference` as `export_onnx` gives it; the shares of the validation images that onnxruntime
    and torch classify rightly, and how many images those are."""

    difference: float
    accuracy: float
    torch_accuracy: float
    images: int


def export_trained(
    trained: Trained,
    data: DataSet,
    path: Path,
    *,
    dynamic_batch: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Exported:
    """Writes a trained network as ONNX after onnxruntime has classified the validation images.

    The metadata say how images are prepared. Errors: as `export_onnx`, and `NasError` where the
    data are not those of the training or over one image in a thousand is classified otherwise than
    by torch; nothing is written then.
    """
    if data.checksum != trained.data.checksum:
        raise NasError(f"data set {data.source} has changed since the training")
    place = output_file(path)
    arch, module = trained.arch, trained.module
    facts = trained.data
    about = {
        "classes": json.dumps(facts.classes),
        "mean": json.dumps(facts.mean),
        "deviation": json.dumps(facts.deviation),
        "preparation": "(image / 255 - mean) / deviation, for each channel",
        **(metadata or {}),
    }
    model, difference = checked(arch, module, dynamic_batch, about)
    cpu = torch.device("cpu")
    images, normalise = Pixels(data.validation, arch.resolution, cpu), Normalise(data, cpu)
    expected = logits(module, images, normalise)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    size = _BATCH if dynamic_batch else 1
    found = torch.cat(
        [
            torch.from_numpy(session.run(None, {"image": normalise(part).numpy()})[0])
            for part in torch.split(images.pixels, size)
        ]
    )
    other = (found.argmax(1) != expected.argmax(1)).double().mean().item()
    if other > DISAGREEMENT:
        raise NasError(f"onnxruntime classifies {other:.2%} of the images otherwise than torch")
    write_whole(place, model)
    right = metrics(found, images.labels).accuracy
    return Exported(difference, right, metrics(expected, images.labels).accuracy, len(images))
