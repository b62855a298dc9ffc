"""The timing protocol: how long a graph takes on this machine through onnxruntime.

A machine is never quiet, and what disturbs it comes in bursts. So a batch of models is loaded and
visited in turn, many times: a burst then spoils a few visits of many models, not all of one. Runs
in which the thread was switched out are dropped; of a visit the 10th percentile counts, of the
visits the 25th.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter, thread_time
from typing import NamedTuple

import numpy as np
import onnxruntime

from nas.graph import Graph
from nas.onnx_model import graph_to_onnx

WARM_UP = 2
VISIT_SECONDS = (0.015, 0.04)
FEWEST_RUNS = 3


class Timing(NamedTuple):
    """`spread`: half of the relative difference between the even and the odd visits' latency,
    which estimates the relative error of the latency of all visits."""

    latency_ms: float
    spread: float
    visits: int


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Keeps this process on one core while a single thread is timed, where the system can."""
    if threads != 1 or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def time_graphs(graphs: Sequence[Graph], *, visits: int = 8, threads: int = 1) -> list[Timing]:
    """The latency of each graph, in ms, one image at a time."""
    models = [_Model(graph, threads) for graph in graphs]
    for _ in range(visits):
        for model in models:
            model.visit()
    return [model.timing() for model in models]


class _Model:
    """One loaded model with its input and output bound, and the visits it had."""

    def __init__(self, graph: Graph, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph_to_onnx(graph).SerializeToString(), options, ["CPUExecutionProvider"]
        )
        self._binding = self._session.io_binding()
        image = np.random.default_rng(0).standard_normal((1, *graph.input_shape), np.float32)
        self._binding.bind_cpu_input("image", image)
        self._binding.bind_output("logits", "cpu")
        self._alone = threads == 1
        self._visits: list[float] = []

    def visit(self) -> None:
        """Some runs in a row: as many as fit into the shorter time, into the longer one while too
        few of them were undisturbed, and never fewer than `FEWEST_RUNS`."""
        session, binding = self._session, self._binding
        for _ in range(WARM_UP):
            session.run_with_iobinding(binding)
        kept: list[float] = []
        disturbed: list[float] = []
        begin = perf_counter()
        while True:
            switches, cpu, start = _switches(), thread_time(), perf_counter()
            session.run_with_iobinding(binding)
            end = perf_counter()
            if _switches() == switches:
                kept.append(end - start)
            else:
                disturbed.append(thread_time() - cpu if self._alone else end - start)
            enough = VISIT_SECONDS[0] if len(kept) >= FEWEST_RUNS else VISIT_SECONDS[1]
            if end - begin >= enough and len(kept) + len(disturbed) >= FEWEST_RUNS:
                break
        # A run too long to escape the scheduler is judged by its time on the processor.
        runs = kept if len(kept) >= FEWEST_RUNS else kept + disturbed
        self._visits.append(float(np.quantile(runs, 0.1)))

    def timing(self) -> Timing:
        """The latency over all visits."""
        visits = np.array(self._visits) * 1e3
        latency = float(np.quantile(visits, 0.25))
        spread = 0.0
        if len(visits) > 1:
            halves = [float(np.quantile(visits[i::2], 0.25)) for i in (0, 1)]
            spread = abs(halves[0] - halves[1]) / latency / 2
        return Timing(latency, spread, len(visits))


def _switches() -> int:
    """How often this thread was switched out against its will; 0 where nobody counts."""
    who = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
    return resource.getrusage(who).ru_nivcsw
