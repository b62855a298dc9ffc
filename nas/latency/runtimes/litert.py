"""LiteRT (TensorFlow Lite) with its XNNPACK kernels, on our own TFLite files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import ai_edge_litert  # noqa: F401  so that it is missed here and not when it runs

from nas.formats.folding import State
from nas.formats.litert import LiteRT
from nas.formats.tflite import to_tflite
from nas.graph import Graph
from nas.latency.runtimes import Array, Runtime, Session, still_image
from nas.support.files import write_whole


class LiteRtSession(Session):
    def __init__(self, path: Path, threads: int) -> None:
        self._model = LiteRT(path.read_bytes(), threads=threads)
        self.outputs(still_image((1, *self._model.image_shape)))

    def run(self) -> None:
        self._model.run()

    def outputs(self, image: Array) -> Array:
        return self._model(image)


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
