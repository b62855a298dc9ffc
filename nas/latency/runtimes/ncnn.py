"""ncnn on the CPU, in float32, on files that we write ourselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import ncnn
import numpy as np

from nas.formats.folding import State
from nas.formats.ncnn import write_ncnn
from nas.graph import Graph
from nas.latency.runtimes import Array, Runtime, Session, still_image


class NcnnSession(Session):
    def __init__(self, path: Path, threads: int) -> None:
        self._net: Any = ncnn.Net()
        options = self._net.opt
        options.num_threads = threads
        options.use_vulkan_compute = False
        for half in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(options, f"use_{half}", False)
        self._net.load_param(str(path))
        self._net.load_model(str(path.with_suffix(".bin")))
        w, h, c = (int(word.split("=")[1]) for word in _input(path))
        self._image = still_image((c, h, w))  # the Mat does not hold it
        self._mat: Any = ncnn.Mat(self._image)

    def run(self) -> None:
        self._extracted(self._mat)

    def outputs(self, image: Array) -> Array:
        result = np.array(self._extracted(ncnn.Mat(np.ascontiguousarray(image[0]))), np.float32)
        return result.reshape(1, -1)

    def _extracted(self, mat: Any) -> Any:
        extractor = self._net.create_extractor()
        extractor.input("image", mat)
        code, result = extractor.extract("logits")
        if code:
            raise RuntimeError(f"ncnn: extraction failed with {code}")
        return result


def _input(path: Path) -> list[str]:
    """The words of a `.param` file that give width, height and channels of its input."""
    return path.read_text(encoding="utf-8").splitlines()[2].split()[-3:]


class Ncnn(Runtime):
    name, package, suffix = "ncnn", "ncnn", ".param"

    def write(
        self, path: Path, graph: Graph, precision: str = "fp32", state: State | None = None
    ) -> None:
        write_ncnn(path, graph, state)

    def load(self, path: Path, threads: int = 1) -> NcnnSession:
        return NcnnSession(path, threads)


RUNTIME: Final = Ncnn()
