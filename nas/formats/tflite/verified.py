"""A TFLite file of a torch module, verified by LiteRT where that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import numpy as np
import torch
from torch import nn

from nas.architecture import Architecture
from nas.formats.litert import LiteRT, installed
from nas.formats.tflite import to_tflite
from nas.formats.verified import IMAGES, TOLERANCE, noise
from nas.support.errors import NasError
from nas.support.plain_torch import plain_torch


@plain_torch()
def checked_tflite(
    arch: Architecture, module: nn.Module, metadata: Mapping[str, str] | None = None
) -> tuple[bytes, float | None]:
    """The float32 model's bytes and its largest difference from torch on noise, relative to the
    largest output where that is above 1; None where LiteRT is not installed to run it.

    Errors: `NasError` where the difference exceeds 1e-4.
    """
    state = {name: value.detach().cpu().numpy() for name, value in module.state_dict().items()}
    data = to_tflite(arch, state, metadata=metadata)
    if not installed():
        return data, None
    images = noise(arch, IMAGES, seed=1)
    with torch.no_grad():
        expected = deepcopy(module).double()(images.double()).numpy()
    found = LiteRT(data)(images.numpy())
    difference = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    if not difference <= TOLERANCE:
        raise NasError(f"the TFLite model differs from torch by {difference:.2g}, over {TOLERANCE}")
    return data, difference
