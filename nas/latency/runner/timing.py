"""The timing protocol: how long models take on this machine through onnxruntime.

A machine is never quiet, and its disturbances come in bursts. So a batch of models is loaded and
visited in turn, several times. A burst then spoils a round of visits, which is noticed and made up
for. Runs in which the thread was switched out are dropped. The latency of a visit is the 10th
percentile over its runs; that of a model is the 25th percentile over its visits.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

WARM_UP = 2
VISIT_SECONDS = (0.015, 0.04)
FEWEST_RUNS = 3
# Other work in the caches slows large networks by up to 30% for ten seconds, small ones not at all.
QUIET, PATIENCE = 0.03, 4
CPU = "CPUExecutionProvider"


class Failure(Exception):
    """An error that a user can mend, in one line."""


class TimingSettings(NamedTuple):
    """The settings that all rows of one table are timed with."""

    provider: str = CPU
    threads: int = 1
    visits: int = 6

    def protocol(self) -> dict[str, Any]:
        """The protocol as a target stores it."""
        return {
            "warm_up": WARM_UP,
            "visit_ms": [1000 * seconds for seconds in VISIT_SECONDS],
            "visits": self.visits,
            "statistic": "mean over sessions of the 25th percentile over visits of the 10th in one",
        }


class Timing(NamedTuple):
    """The latency of a model in ms, its `spread` and the number of visits.

    `spread` is half of the relative difference between the latencies of the even and of the odd
    visits. It estimates the relative error of the latency of all visits.
    """

    latency_ms: float
    spread: float
    visits: int


def full_provider(name: str) -> str:
    """The full name of a provider; `name` may be short ("cuda"). Errors: `Failure` with the
    providers that the installed onnxruntime has."""
    known: list[str] = onnxruntime.get_available_providers()
    for full in known:
        if name.lower() in (full.lower(), full.lower().replace("executionprovider", "")):
            return full
    raise Failure(f"provider {name!r} is not available; onnxruntime has here: {', '.join(known)}")


def onnx_model(model: str | bytes, settings: TimingSettings) -> Model:
    """A model of onnxruntime (a path, or bytes) with its input and output bound."""
    return Model(_bound(model, settings), settings)


def _bound(model: str | bytes, settings: TimingSettings) -> Callable[[], object]:
    """What runs a model of onnxruntime once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = [settings.provider] + [CPU] * (settings.provider != CPU)
    session = onnxruntime.InferenceSession(model, options, providers=providers)
    if session.get_providers()[0] != settings.provider:
        raise Failure(f"{settings.provider} is installed but does not start")
    binding = session.io_binding()
    image, logits = session.get_inputs()[0], session.get_outputs()[0]
    pixels = np.random.RandomState(0).standard_normal(image.shape).astype(np.float32)
    binding.bind_cpu_input(image.name, pixels)
    # On a GPU too, a run has ended once the output is in the CPU's memory.
    binding.bind_output(logits.name, "cpu")
    return lambda: session.run_with_iobinding(binding)


class Model:
    """A loaded model, which `run` runs once, and its visits."""

    def __init__(self, run: Callable[[], object], settings: TimingSettings) -> None:
        self._run = run
        self._own_time = settings.threads == 1 and settings.provider == CPU
        self._visits: list[float] = []

    def visit(self) -> None:
        """Times the model once more and remembers the visit."""
        self._visits.append(self.seconds())

    def seconds(self) -> float:
        """The 10th percentile, in seconds, over some runs in a row: as many as fit into the shorter
        of `VISIT_SECONDS`, or into the longer while fewer than `FEWEST_RUNS` were undisturbed, and
        never fewer than `FEWEST_RUNS`."""
        for _ in range(WARM_UP):
            self._run()
        kept: list[float] = []
        disturbed: list[float] = []
        begin = perf_counter()
        while True:
            switches, cpu, start = _switches(), thread_time(), perf_counter()
            self._run()
            end = perf_counter()
            if _switches() == switches:
                kept.append(end - start)
            else:
                disturbed.append(thread_time() - cpu if self._own_time else end - start)
            enough = VISIT_SECONDS[0] if len(kept) >= FEWEST_RUNS else VISIT_SECONDS[1]
            if end - begin >= enough and len(kept) + len(disturbed) >= FEWEST_RUNS:
                break
        # A run too long to escape the scheduler is judged by its time on the processor.
        runs = kept if len(kept) >= FEWEST_RUNS else kept + disturbed
        return float(np.quantile(runs, 0.1))

    @property
    def last_visit(self) -> float:
        """The latency of the last visit, in seconds."""
        return self._visits[-1]

    def timing(self, rounds: list[int]) -> Timing:
        """The timing of the visits of these rounds, counted since the last call."""
        visits = np.array(self._visits)[rounds] * 1e3
        self._visits = []
        latency = float(np.quantile(visits, 0.25))
        spread = 0.0
        if len(visits) > 1:
            halves = [float(np.quantile(visits[i::2], 0.25)) for i in (0, 1)]
            spread = abs(halves[0] - halves[1]) / latency / 2
        return Timing(latency, spread, len(visits))


def time_loaded(
    models: Sequence[Model], settings: TimingSettings, slowness: Callable[[], float] = lambda: 0.0
) -> list[Timing]:
    """Times loaded models as one batch; returns a timing for each.

    After each round of visits `slowness()` says by which fraction the machine was slower than it
    can be. Rounds slower than `QUIET` are made up for by more rounds, up to `PATIENCE` times as
    many as asked for in all; the quietest ones count.
    """
    slow: list[float] = []
    with _pinned(settings):
        while len(slow) < PATIENCE * settings.visits:
            for model in models:
                model.visit()
            slow.append(slowness())
            if sum(s < QUIET for s in slow) == settings.visits:
                break
    quietest = sorted(np.argsort(slow, kind="stable")[: settings.visits].tolist())
    return [model.timing(quietest) for model in models]


@contextmanager
def _pinned(settings: TimingSettings) -> Iterator[None]:
    """Keeps this process on one core while a single thread is timed, where the system can."""
    if settings.threads != 1 or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _switches() -> int:
    """The number of times this thread was switched out involuntarily; 0 where nobody counts."""
    if resource is None:
        return 0
    who = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
    return resource.getrusage(who).ru_nivcsw
