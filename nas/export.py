"""Export to ONNX, verified: what is written computes what the torch module computes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import nn

from nas.architecture import Architecture
from nas.errors import NasError
from nas.files import write_whole
from nas.onnx_model import to_onnx
from nas.torch_module import Network, build

if TYPE_CHECKING:
    from nas.data import DataSet
    from nas.training import Trained

TOLERANCE = 1e-4
DISAGREEMENT = 1e-3
_IMAGES = 4
_BATCH = 250


def initialised(arch: Architecture, seed: int = 0) -> Network:
    """An untrained module, ready for inference: its norms are scaled to a batch of noise.

    Each brings its layer's root mean square to one and shifts its channels by a tenth of that.
    Fresh norms would let the activations of deep networks vanish, and a check of them with it;
    normalising each channel of an untrained network makes it chaotic: float32's rounding alone
    reached 2e-4 of the output.
    """
    module = build(arch, seed=seed).eval()
    generator = torch.Generator().manual_seed(seed)

    def scale(norm: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        square = inputs[0].square().mean()
        shift = 0.1 * torch.randn(norm.num_features, generator=generator)
        norm.running_mean = shift * square.sqrt()
        norm.running_var = square.expand_as(shift).clone()

    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(scale) for norm in norms]
    with torch.no_grad():
        module(_noise(arch, _IMAGES, seed))
    for hook in hooks:
        hook.remove()
    return module


def export_onnx(
    arch: Architecture,
    path: Path,
    module: nn.Module,
    *,
    dynamic_batch: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> float:
    """Writes the module as ONNX and returns its largest difference from torch.

    The difference is that of the outputs on noise, relative to the largest output where that is
    above 1. A link stays one: what it points to is written. Errors: `NasError` where the difference
    exceeds 1e-4 (nothing is written then) or the file cannot be written.
    """
    place = output_file(path)
    data, difference = _checked(arch, module, dynamic_batch, metadata)
    write_whole(place, data)
    return difference


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
    from nas.training.accuracy import logits, metrics
    from nas.training.batches import Normalise, Pixels

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
    model, difference = _checked(arch, module, dynamic_batch, about)
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


def _checked(
    arch: Architecture, module: nn.Module, dynamic_batch: bool, metadata: Mapping[str, str] | None
) -> tuple[bytes, float]:
    """The ONNX model's bytes and its difference from torch on noise."""
    model = to_onnx(arch, module, dynamic_batch=dynamic_batch, metadata=metadata)
    data = model.SerializeToString()
    images = _noise(arch, _IMAGES, seed=1)
    with torch.no_grad():
        expected = module(images).numpy()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    batches = [images.numpy()] if dynamic_batch else np.split(images.numpy(), _IMAGES)
    found = np.concatenate([session.run(None, {"image": batch})[0] for batch in batches])
    difference = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    if not difference <= TOLERANCE:
        raise NasError(f"the ONNX model differs from torch by {difference:.2g}, over {TOLERANCE}")
    return data, difference


def output_file(path: Path) -> Path:
    """The file that `path` leads to. Errors: `NasError` where what is there is no regular file."""
    place = Path(os.path.realpath(path))
    if os.path.lexists(place) and not place.is_file():
        raise NasError(f"{path} cannot be written: it is no regular file")
    return place


def _noise(arch: Architecture, images: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, *arch.input_shape, generator=generator)
