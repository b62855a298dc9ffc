"""The ranges of a network's tensors on images, run in float32 by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, assert_never, get_args

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import TensorProto, helper

from nas.formats.folding import State
from nas.formats.onnx_model import graph_to_onnx
from nas.formats.scales import Range, scales
from nas.graph import Graph

Method = Literal["min-max", "percentile 99.99", "percentile 99.9", "entropy"]
METHODS: tuple[Method, ...] = get_args(Method)
BINS, LEVELS, STEP = 2048, 128, 16  # of a histogram; of int8 on one side of 0; between thresholds

Array = npt.NDArray[np.float32]


class Observed(NamedTuple):
    """What was seen of one tensor: its range, a histogram over it, the mean of each channel."""

    low: float
    high: float
    counts: npt.NDArray[np.int64]
    means: npt.NDArray[np.float64]

    def range(self, method: Method) -> Range:
        """The range that int8 is to cover: all of it, all but a small share of the values on
        either side, or that with the least relative entropy (Migacz 2017)."""
        match method:
            case "min-max":
                return self.low, self.high
            case "percentile 99.99":
                return self._within(0.9999)
            case "percentile 99.9":
                return self._within(0.999)
            case "entropy":
                limit = self._least_entropy()
                return max(self.low, -limit), min(self.high, limit)
            case other:
                assert_never(other)

    @property
    def _edges(self) -> npt.NDArray[np.float64]:
        return np.linspace(self.low, self.high, BINS + 1)

    def _within(self, share: float) -> Range:
        below = np.concatenate([[0.0], np.cumsum(self.counts) / self.counts.sum()])
        low, high = np.interp([1 - share, share], below, self._edges).tolist()
        return low, high

    def _least_entropy(self) -> float:
        """The magnitude at which to clip."""
        edges = self._edges
        centres = np.abs(edges[1:] + edges[:-1]) / 2
        largest = max(-self.low, self.high)
        counts, _ = np.histogram(centres, BINS, (0, largest), weights=self.counts)
        counts[0] = min(counts[0], counts[1])  # a ReLU's zeros are exact in any range
        levels = LEVELS if self.low < 0 else 2 * LEVELS
        limits = range(levels, BINS + 1, STEP)
        return largest * min(limits, key=lambda n: _divergence(counts, n, levels)) / BINS


def _divergence(counts: npt.NDArray[np.float64], bins: int, levels: int) -> float:
    """The relative entropy between a histogram clipped to its first `bins` and its int8 form."""
    clipped = counts[:bins].copy()
    clipped[-1] += counts[bins:].sum()
    level = np.arange(bins) * levels // bins
    filled = counts[:bins] > 0
    total = np.bincount(level, counts[:bins], levels)
    members = np.bincount(level, filled, levels)
    spread = np.where(filled, (total / np.maximum(members, 1))[level], 0)
    p, q = clipped / max(clipped.sum(), 1), spread / max(spread.sum(), 1)
    both = (p > 0) & (q > 0)
    lost = p[(p > 0) & (q == 0)].sum()  # counted as if a millionth were left there
    return float((p[both] * np.log(p[both] / q[both])).sum() + lost * np.log(1e6))


def observe(graph: Graph, state: State, batches: Sequence[Array]) -> dict[str, Observed]:
    """What the tensors of a graph without norms hold on batches of images (N, C, H, W).

    By name; see `nas.formats.scales`. The images are run twice: for the ranges, then the rest.
    """
    model = graph_to_onnx(graph, state, dynamic_batch=True)
    made = {name for node in model.graph.node for name in node.output}
    wanted = [name for name in scales(graph) if name in made]
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )

    def run(batch: Array) -> list[tuple[str, Array]]:
        if not wanted:  # onnxruntime would give every output
            return [("image", batch)]
        return [("image", batch), *zip(wanted, session.run(wanted, {"image": batch}), strict=True)]

    ranges: dict[str, Range] = {}
    for batch in batches:
        for name, values in run(batch):
            low, high = ranges.get(name, (np.inf, -np.inf))
            ranges[name] = min(low, float(values.min())), max(high, float(values.max()))
    counts = {name: np.zeros(BINS, np.int64) for name in ranges}
    sums: dict[str, npt.NDArray[np.float64]] = {}
    for batch in batches:
        for name, values in run(batch):
            counts[name] += np.histogram(values, BINS, _wide(ranges[name]))[0]
            means = values.reshape(*values.shape[:2], -1).mean(axis=2, dtype=np.float64).sum(axis=0)
            sums[name] = sums.get(name, 0) + means
    images = sum(map(len, batches))
    return {
        name: Observed(*_wide(ranges[name]), counts[name], sums[name] / images) for name in ranges
    }


def _wide(bounds: Range) -> Range:
    """A range with 0 in it that a histogram can have."""
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    return (low, high) if high > low else (0.0, 1.0)
