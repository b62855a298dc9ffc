"""`lowering`: how onnxruntime stores tensors here, read off a model that it optimises."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime

from .timing import CPU, Failure

# An ONNX model, opset 13, of one 11x11 convolution of 3 channels to 1, without bias, its weights
# all 0. It is stored because the device has no package to write one.
PROBE = (
    b"eNrjYLfq5eHi52Ks4GIsF2KsVGJxzs8rE2JM19rDzcHIwczBzcEtwOjEWO61hpthFIyCUTAKRsGgB1HSwCJdSIxLhINR"
    b"SICLiYMRiJmBmBuEk4CSlWiScOzEwsUgwAsAB24LwA=="
)
FILTER_BYTES = 4 * 3 * 11 * 11
DOMAIN = b"com.microsoft.nchwc"
BLOCKS = (8, 16)


def lowering(provider: str) -> str:
    """The lowering that describes this runtime: `nchwc8` or `nchwc16` where it blocks channels by 8
    or 16, `fused` elsewhere. Errors: `Failure` where the runtime cannot load the probe."""
    if provider != CPU:
        return "fused"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(
                zlib.decompress(base64.b64decode(PROBE)), options, providers=[CPU]
            )
        except Exception as error:  # whatever a runtime throws about a model
            reason = " ".join(str(error).split())
            version = onnxruntime.__version__
            raise Failure(f"onnxruntime {version} loads no model: {reason:.200}") from None
        data = path.read_bytes()
    # The runtime padded the one filter to a whole block of filters.
    block = len(data) // FILTER_BYTES
    return f"nchwc{block}" if DOMAIN in data and block in BLOCKS else "fused"
