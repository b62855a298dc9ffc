"""Export to ONNX, verified: what is written computes what the torch module computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from nas.architecture import Architecture
from nas.formats.folding import Array
from nas.formats.onnx_model import OPSET, to_onnx
from nas.networks import read_network
from nas.support.errors import NasError
from nas.support.files import write_whole
from nas.support.plain_torch import plain_torch
from nas.torch_module import Network, build

TOLERANCE = 1e-4
IMAGES = 4


@plain_torch()
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
        module(noise(arch, IMAGES, seed))
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
    opset: int = OPSET,
) -> float:
    """Writes the module as ONNX and returns its largest difference from torch.

    The difference is that of the outputs on noise, relative to the largest output where that is
    above 1. A link stays one: what it points to is written. Errors: `NasError` where the difference
    exceeds 1e-4 (nothing is written then), the opset is not known to onnx or to onnxruntime, or the
    file cannot be written.
    """
    file = output_file(path)
    data, largest = checked(arch, module, dynamic_batch, metadata, opset)
    write_whole(file, data)
    return largest


@plain_torch()
def checked(
    arch: Architecture,
    module: nn.Module,
    dynamic_batch: bool,
    metadata: Mapping[str, str] | None,
    opset: int = OPSET,
) -> tuple[bytes, float]:
    """The ONNX model's bytes and its difference from torch on noise; errors as `export_onnx`."""
    model = to_onnx(arch, module, dynamic_batch=dynamic_batch, metadata=metadata, opset=opset)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    try:
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an error of its own for everything it refuses
        why = " ".join(str(error).split())
        raise NasError(
            f"opset {opset}: onnxruntime {onnxruntime.__version__} refuses the model: {why:.200}"
        ) from None

    def run(images: Array) -> Array:
        batches = [images] if dynamic_batch else np.split(images, IMAGES)
        return np.concatenate([session.run(None, {"image": batch})[0] for batch in batches])

    return data, difference("the ONNX model", run, arch, module)


def difference(
    what: str, run: Callable[[Array], Array], arch: Architecture, module: nn.Module
) -> float:
    """The largest difference of what `run` gives for noise from torch, relative to the largest
    output where that is above 1. Errors: `NasError` where it exceeds 1e-4, which names `what`."""
    images = noise(arch, IMAGES, seed=1)
    # In double precision: float32 rounds by up to 3e-4 of the output on some processors.
    with torch.no_grad():
        expected = deepcopy(module).double()(images.double()).numpy()
    found = run(images.numpy())
    largest = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    if not largest <= TOLERANCE:
        raise NasError(f"{what} differs from torch by {largest:.2g}, over {TOLERANCE}")
    return largest


def output_file(path: Path) -> Path:
    """The file that `path` leads to. Errors: `NasError` where what is there is no regular file."""
    file = Path(os.path.realpath(path))
    if os.path.lexists(file) and not file.is_file():
        raise NasError(f"{path} cannot be written: it is no regular file")
    return file


def unnamed_output(path: Path) -> Path:
    """The path, as a default that nobody wrote. Errors: `NasError` where what is there is not of
    nas' making, so that only who names it replaces it."""
    if os.path.lexists(path):
        try:
            read_network(path)
        except NasError:
            raise NasError(
                f"{path} is there and was not written by nas: name the file to write with --output"
            ) from None
    return path


def noise(arch: Architecture, images: int, seed: int) -> torch.Tensor:
    """Images (N, C, H, W) of standard normal noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, *arch.input_shape, generator=generator)
