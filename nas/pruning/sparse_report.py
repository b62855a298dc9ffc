"""What zeros among a network's weights buy: measured, and said plainly."""

from __future__ import annotations

import time
import zlib
from statistics import median
from typing import NamedTuple

import numpy as np
import onnxruntime

from nas.architecture import Architecture
from nas.formats.onnx_model import to_onnx
from nas.torch_module import Network

RUNS = 15


class SparseCost(NamedTuple):
    """Of the ONNX models of the dense and the sparse network: the median time of one image in ms
    through onnxruntime on one thread of this machine, and the bytes of the file, compressed."""

    dense_ms: float
    sparse_ms: float
    dense_bytes: int
    sparse_bytes: int

    def lines(self, sparsity: float) -> list[str]:
        """The report, line by line; `sparsity` is the share of zeros."""
        saved = 1 - self.sparse_bytes / self.dense_bytes
        return [
            f"{sparsity:.1%} of the weights of convolutions and linear layers are zero",
            f"time: none is saved on dense hardware, which multiplies by zeros too: onnxruntime "
            f"takes {self.sparse_ms:.3g} ms here, {self.dense_ms:.3g} ms with them dense",
            f"size: as large in memory; compressed the file has {self.sparse_bytes / 1e6:.2f} MB, "
            f"{saved:.0%} less than {self.dense_bytes / 1e6:.2f} MB",
        ]


def sparse_cost(arch: Architecture, dense: Network, sparse: Network) -> SparseCost:
    """Measures both networks, in turns, so that what else the machine does meets both."""
    models = [to_onnx(arch, module).SerializeToString() for module in (dense, sparse)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for model in models
    ]
    # Noise: with an image of zeros the processor itself is quicker.
    noise = np.random.default_rng(0).standard_normal((1, *arch.input_shape))
    image = {"image": noise.astype(np.float32)}
    times: list[list[float]] = [[], []]
    for _ in range(RUNS + 1):
        for session, found in zip(sessions, times, strict=True):
            began = time.perf_counter()
            session.run(None, image)
            found.append(1000 * (time.perf_counter() - began))
    milliseconds = [median(found[1:]) for found in times]
    sizes = [len(zlib.compress(model)) for model in models]
    return SparseCost(milliseconds[0], milliseconds[1], sizes[0], sizes[1])
