"""A TFLite file of a torch module, verified by LiteRT where that is installed."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from nas.architecture import Architecture
from nas.formats.litert import LiteRT, installed
from nas.formats.tflite import to_tflite
from nas.formats.verified import difference
from nas.support.plain_torch import plain_torch
from nas.torch_module import exported_state


@plain_torch()
def checked_tflite(
    arch: Architecture, module: nn.Module, metadata: Mapping[str, str] | None = None
) -> tuple[bytes, float | None]:
    """The float32 model's bytes and its largest difference from torch on noise, relative to the
    largest output where that is above 1; None where LiteRT is not installed to run it.

    Errors: `NasError` where the difference exceeds 1e-4.
    """
    data = to_tflite(arch, exported_state(arch, module), metadata=metadata)
    if not installed():
        return data, None
    return data, difference("the TFLite model", LiteRT(data), arch, module)
