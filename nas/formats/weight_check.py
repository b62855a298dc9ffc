"""Whether a network computes with the weights of an ONNX file what the file's own model does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from nas.architecture import Architecture
from nas.support.errors import NasError, one_line
from nas.torch_module import Network

TOLERANCE, HALF_TOLERANCE = 1e-4, 1e-2  # the latter of models that compute in float16


def check_outputs(arch: Architecture, module: Network, path: Path) -> None:
    """Errors: `NasError` where the file's model computes something else than the module."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of every weight that is an input too
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise NasError(f"{path}: onnxruntime cannot run it: {one_line(error)[:200]}") from None
    images = torch.randn(1, *arch.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = module(images)
    image = session.get_inputs()[0]
    half = image.type == "tensor(float16)"
    try:
        output = session.run(None, {image.name: images.numpy().astype("f2" if half else "f4")})[0]
    except Exception as error:
        raise NasError(
            f"{path}: does not take images of {arch.input_shape}: {one_line(error)[:200]}"
        ) from None
    theirs = np.reshape(output, (1, -1)).astype(np.float32)
    differences = [
        np.abs(theirs - ours.numpy()).max() / max(1.0, np.abs(theirs).max())
        for ours in (expected, expected.softmax(1))
        if ours.shape == theirs.shape
    ]
    if not differences or not min(differences) <= (HALF_TOLERANCE if half else TOLERANCE):
        found = f"by {min(differences):.2g}" if differences else f"in shape {theirs.shape}"
        raise NasError(
            f"{path}: its model's outputs differ from the network's with its weights {found}: "
            "another layout, or padding that this network does not have"
        )
