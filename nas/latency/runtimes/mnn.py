"""MNN, whose own converter reads our ONNX files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import _tools  # MNN's converter, which its package installs under this name
import MNN
import numpy as np

from nas.formats.folding import State
from nas.formats.onnx_model import graph_to_onnx
from nas.formats.onnx_nodes import HARD_SWISH
from nas.graph import Graph
from nas.latency.runtimes import Array, Runtime, Session, still_image
from nas.support.errors import NasError
from nas.support.silence import silent


class MnnSession(Session):
    def __init__(self, path: Path, threads: int) -> None:
        self._interpreter: Any = MNN.Interpreter(str(path))
        settings = {"backend": "CPU", "numThread": threads, "precision": "high"}
        with silent():
            self._session: Any = self._interpreter.createSession(settings)
        self._input: Any = self._interpreter.getSessionInput(self._session)
        self._set(still_image(self._input.getShape()))

    def _set(self, image: Array) -> None:
        kind, layout = MNN.Halide_Type_Float, MNN.Tensor_DimensionType_Caffe
        self._input.copyFrom(MNN.Tensor(image.shape, kind, image, layout))

    def run(self) -> None:
        self._interpreter.runSession(self._session)

    def outputs(self, image: Array) -> Array:
        self._set(np.ascontiguousarray(image))
        self.run()
        result: Any = self._interpreter.getSessionOutput(self._session)
        shape, kind = result.getShape(), MNN.Halide_Type_Float
        copied = np.zeros(shape, np.float32)
        held = MNN.Tensor(shape, kind, copied, MNN.Tensor_DimensionType_Caffe)
        result.copyToHostTensor(held)
        return np.array(held.getData(), np.float32).reshape(1, -1)


class Mnn(Runtime):
    name, package, suffix = "mnn", "MNN", ".mnn"

    def write(
        self, path: Path, graph: Graph, precision: str = "fp32", state: State | None = None
    ) -> None:
        with TemporaryDirectory() as folder:
            onnx = Path(folder) / "model.onnx"
            onnx.write_bytes(graph_to_onnx(graph, state, opset=HARD_SWISH).SerializeToString())
            words = ["mnnconvert", "-f", "ONNX", "--modelFile", str(onnx)]
            with silent():
                _tools.mnnconvert([*words, "--MNNModel", str(path), "--bizCode", "nas"])
        if not path.exists():
            raise NasError(f"MNN's converter wrote no {path.name}")

    def load(self, path: Path, threads: int = 1) -> MnnSession:
        return MnnSession(path, threads)


RUNTIME: Final = Mnn()
