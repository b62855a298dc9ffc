"""LiteRT (TensorFlow Lite) with its XNNPACK kernels, on our own TFLite files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from nas.formats.folding import State
from nas.formats.tflite import to_tflite
from nas.graph import Graph
from nas.latency.runtimes import Array, Runtime, Session, quiet, still_image
from nas.support.files import write_whole


class LiteRtSession(Session):
    def __init__(self, path: Path, threads: int) -> None:
        with quiet():
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        stored = _stored(still_image(self._input["shape"]), self._input)
        self._interpreter.set_tensor(self._input["index"], stored)

    def run(self) -> None:
        self._interpreter.invoke()

    def outputs(self, image: Array) -> Array:
        stored = _stored(image.transpose(0, 2, 3, 1), self._input)
        self._interpreter.set_tensor(self._input["index"], stored)
        self._interpreter.invoke()
        values = self._interpreter.get_tensor(self._output["index"])
        scale, zero = self._output["quantization"]
        return ((values - float(zero)) * scale if scale else values).astype(np.float32)


def _stored(values: npt.NDArray[Any], details: dict[str, Any]) -> npt.NDArray[Any]:
    """Values as a tensor with these details holds them."""
    scale, zero = details["quantization"]
    if scale:
        values = np.clip(np.round(values / scale) + zero, -128, 127)
    return values.astype(details["dtype"])


class LiteRt(Runtime):
    name, package, suffix = "litert", "ai-edge-litert", ".tflite"
    precisions = ("fp32", "int8")

    def write(
        self, path: Path, graph: Graph, precision: str = "fp32", state: State | None = None
    ) -> None:
        write_whole(path, to_tflite(graph, state, int8={} if precision == "int8" else None))

    def load(self, path: Path, threads: int = 1) -> LiteRtSession:
        return LiteRtSession(path, threads)


RUNTIME: Final = LiteRt()
