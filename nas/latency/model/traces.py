"""What is kept of kernels beside their latencies, for the interval of the networks they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# Arrays with a row a kernel: the latencies in ms, then what a predictor's `log_interval` asks for.
Trace = tuple[Any, ...]


class Traces:
    """The traces of many kernels, by number."""

    def __init__(self) -> None:
        self._all: list[Any] = []

    def put(self, start: int, trace: Trace) -> None:
        """Keeps a trace as that of the kernels from number `start` on."""
        end = start + len(trace[0])
        if not self._all:
            self._all = [np.empty((1, *part.shape[1:]), part.dtype) for part in trace]
        if end > len(self._all[0]):
            self._all = [np.resize(part, (2 * end, *part.shape[1:])) for part in self._all]
        for mine, new in zip(self._all, trace, strict=True):
            mine[start:end] = new

    def of(self, numbers: Sequence[int]) -> Trace:
        """The trace of the kernels of these numbers."""
        rows = np.array(numbers, np.intp)
        return tuple(part.take(rows, 0) for part in self._all)
