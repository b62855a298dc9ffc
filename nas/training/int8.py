"""A trained network as int8: calibrated on training images, and what that costs in accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from onnx import ModelProto

from nas.branches import deployed_state
from nas.data.dataset import DataSet, Images
from nas.formats.calibration import METHODS, Method, Observed, observe
from nas.formats.equalise import bias_corrected, equalised
from nas.formats.folding import State, folded
from nas.formats.onnx_model import graph_to_onnx
from nas.formats.quantise import quantised
from nas.formats.scales import Ranges, scales
from nas.graph import Graph
from nas.support.errors import NasError
from nas.support.plain_torch import plain_torch
from nas.training.accuracy import BATCH
from nas.training.batches import Normalise, Pixels, mixed_seed
from nas.training.trained import Trained

CALIBRATION, HELD_OUT = 256, 1000  # training images
CALIBRATION_BATCH = 8  # every map of them is in memory at once
DRAW = 2**31 + 1  # the stream that draws them; see `nas.training.batches.SUBSET`

Array = npt.NDArray[np.float32]


class Way(NamedTuple):
    """One way to make a network int8: its weights, made ready for it, and its tensors' ranges."""

    label: str
    graph: Graph
    state: State
    ranges: Ranges

    def onnx(self, *, dynamic_batch: bool = False, symmetric: bool = False) -> ModelProto:
        """The int8 ONNX model, in the QDQ form."""
        model = graph_to_onnx(self.graph, self.state, dynamic_batch=dynamic_batch)
        found = scales(self.graph, self.ranges, symmetric=symmetric)
        return quantised(model, found, symmetric=symmetric)


class Attempt(NamedTuple):
    """How a way did on held-out training images: its accuracy, and how far its outputs are from
    those in float32, as a share of their deviation."""

    way: Way
    accuracy: float
    error: float


class Int8(NamedTuple):
    """A trained network's best way to int8, and the `tried` ones, in order.

    `float_accuracy` is that of float32 on the same `held_out` training images; `calibration` other
    ones gave the ranges.
    """

    best: Attempt
    tried: tuple[Attempt, ...]
    float_accuracy: float
    calibration: int
    held_out: int


@plain_torch()
def to_int8(trained: Trained, data: DataSet, *, symmetric: bool = False) -> Int8:
    """Finds the best way to make a trained network int8, step by step: how ranges are taken from
    the values of calibration images, then cross-layer equalisation, then bias correction.

    A step is kept where the accuracy on held-out training images is higher, or as high with outputs
    nearer to those in float32. `symmetric` is int8 with its zero at 0, as TensorRT requires.
    Errors: `NasError` where there are fewer than two training images.
    """
    batches, held = _drawn(trained, data)
    weights = deployed_state(trained.module)
    graph, state = folded(trained.arch.graph(), weights)
    expected = outputs(graph_to_onnx(graph, state, dynamic_batch=True), held)
    tried: list[Attempt] = []

    def attempt(label: str, graph: Graph, state: State, ranges: Ranges) -> Attempt:
        way = Way(label, graph, state, ranges)
        found = outputs(way.onnx(dynamic_batch=True, symmetric=symmetric), held)
        error = float(np.square(found - expected).mean() ** 0.5 / max(expected.std(), 1e-12))
        tried.append(Attempt(way, accuracy(found, held.labels), error))
        return tried[-1]

    def ranges(seen: dict[str, Observed], method: Method) -> Ranges:
        return {name: one.range(method) for name, one in seen.items()}

    seen = observe(graph, state, batches)
    by_method = {m: attempt(m, graph, state, ranges(seen, m)) for m in METHODS}
    method = max(METHODS, key=lambda m: _merit(by_method[m]))
    best = by_method[method]
    other = equalised(graph, state)
    again = observe(*other, batches)
    label = f"{method}, equalised"
    best = max(best, attempt(label, *other, ranges(again, method)), key=_merit)
    graph, state = best.way.graph, best.way.state
    corrected = bias_corrected(graph, state, again if best.way.label == label else seen)
    label = f"{best.way.label}, biases corrected"
    best = max(best, attempt(label, graph, corrected, best.way.ranges), key=_merit)
    right = accuracy(expected, held.labels)
    return Int8(best, tuple(tried), right, sum(map(len, batches)), len(held))


class Inputs:
    """Images as a network takes them, normalised a batch at a time: in float32 all at once may not
    fit into memory."""

    def __init__(self, images: Images, trained: Trained, data: DataSet) -> None:
        cpu = torch.device("cpu")
        self._pixels = Pixels(images, trained.arch.resolution, cpu)
        self._normalise = Normalise(data, cpu)
        self.labels = images.labels

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int = BATCH) -> Iterator[Array]:
        """The images (N, C, R, R) in order, `size` at a time."""
        for part in self._pixels.split(size):
            yield np.ascontiguousarray(self._normalise(part).numpy())


def outputs(model: ModelProto, images: Inputs) -> Array:
    """The logits (N, classes) of a model with a dynamic batch, by onnxruntime."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    parts = [session.run(None, {"image": part})[0] for part in images.batches()]
    return np.concatenate(parts)


def _drawn(trained: Trained, data: DataSet) -> tuple[list[Array], Inputs]:
    """Batches of training images to calibrate on, and other ones to judge by."""
    count = len(data.train.labels)
    if count < 2:
        raise NasError(f"int8 takes two training images or more to calibrate; there are {count}")
    rng = np.random.default_rng(mixed_seed(trained.recipe.seed, DRAW))
    order = rng.permutation(count)
    first = min(CALIBRATION, count // 2)
    seen, held = (
        Inputs(data.train.take(chosen), trained, data)
        for chosen in (order[:first], order[first : first + HELD_OUT])
    )
    return list(seen.batches(CALIBRATION_BATCH)), held


def accuracy(logits: Array, labels: npt.NDArray[np.int64]) -> float:
    """The share of images classified correctly, from 0 to 1."""
    return float((logits.argmax(1) == labels).mean())


def _merit(attempt: Attempt) -> tuple[float, float]:
    return attempt.accuracy, -attempt.error
