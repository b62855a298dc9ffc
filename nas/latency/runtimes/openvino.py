"""OpenVINO's CPU plugin, which reads our ONNX files and tells which layers it executes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import openvino

from nas.formats.folding import State
from nas.formats.onnx_model import graph_to_onnx
from nas.formats.onnx_nodes import HARD_SWISH
from nas.formats.quantise import quantised
from nas.graph import Graph
from nas.latency.lowering.rows import Lowering
from nas.latency.runtimes import Array, Layer, Runtime, Session, still_image
from nas.support.files import write_whole

IDLE = ("Const", "Input", "Output")  # layers of a model that take no time


class OpenVinoSession(Session):
    def __init__(self, model: str | bytes, threads: int) -> None:
        core = openvino.Core()
        settings: Mapping[str, Any] = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",  # not bfloat16, where a processor has it
            "PERF_COUNT": True,
        }
        self._compiled = core.compile_model(core.read_model(model), "CPU", settings)
        self._request = self._compiled.create_infer_request()
        image = still_image(self._compiled.input(0).shape)
        self._request.set_input_tensor(openvino.Tensor(image))

    def run(self) -> None:
        self._request.infer()

    def outputs(self, image: Array) -> Array:
        request = self._compiled.create_infer_request()
        result: Array = request.infer({0: image})[0]
        return result.copy()

    def layers(self) -> list[Layer]:
        ms = {p.node_name: p.real_time.total_seconds() * 1e3 for p in self._request.profiling_info}
        executed = []
        for op in self._compiled.get_runtime_model().get_ordered_ops():
            facts = op.get_rt_info()
            kind, names = (facts[key].astype(str) for key in ("layerType", "originalLayersNames"))
            if kind not in IDLE:
                nodes = tuple(name for name in names.split(",") if name)
                executed.append(Layer(kind, nodes, ms.get(op.get_friendly_name())))
        return executed


class OpenVino(Runtime):
    name, package, suffix = "openvino", "openvino", ".onnx"
    precisions = ("fp32", "int8")
    lowering: ClassVar[Lowering] = "openvino"

    def write(
        self, path: Path, graph: Graph, precision: str = "fp32", state: State | None = None
    ) -> None:
        model = graph_to_onnx(graph, state, opset=HARD_SWISH)
        if precision == "int8":
            model = quantised(model)
        write_whole(path, model.SerializeToString())

    def export(self, path: Path, graph: Graph, state: State) -> None:
        model = openvino.Core().read_model(
            graph_to_onnx(graph, state, opset=HARD_SWISH).SerializeToString()
        )
        openvino.save_model(model, path, compress_to_fp16=False)

    def load(self, path: Path, threads: int = 1) -> OpenVinoSession:
        return OpenVinoSession(str(path), threads)


RUNTIME: Final = OpenVino()
