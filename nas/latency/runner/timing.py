"""The timing protocol: how long models take on this machine through onnxruntime.

A machine is never quiet, and what disturbs it comes in bursts. So a batch of models is loaded and
visited in turn, several times: a burst then spoils a round of visits, which is noticed and made up
for. Runs in which the thread was switched out are dropped; of a visit the 10th percentile counts,
of the visits the 25th.
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
# What shares the caches slows large networks by up to 30% for ten seconds, small ones not at all.
QUIET, PATIENCE = 0.03, 4
CPU = "CPUExecutionProvider"


class Failure(Exception):
    """What a user can mend, in one line."""


class Settings(NamedTuple):
    """How everything of one table is timed."""

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
    """`spread`: half of the relative difference between the even and the odd visits' latency,
    which estimates the relative error of the latency of all visits."""

    latency_ms: float
    spread: float
    visits: int


def full_provider(name: str) -> str:
    """The provider that a name means, be it short ("cuda"). Errors: `Failure` with those that the
    installed onnxruntime has."""
    known: list[str] = onnxruntime.get_available_providers()
    for full in known:
        if name.lower() in (full.lower(), full.lower().replace("executionprovider", "")):
            return full
    raise Failure(f"provider {name!r} is not available; onnxruntime has here: {', '.join(known)}")


class Model:
    """One loaded model (a path, or bytes) with its input and output bound, and its visits."""

    def __init__(self, model: str | bytes, settings: Settings) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = [settings.provider] + [CPU] * (settings.provider != CPU)
        self._session = onnxruntime.InferenceSession(model, options, providers=providers)
        if self._session.get_providers()[0] != settings.provider:
            raise Failure(f"{settings.provider} is installed but does not start")
        self._binding = self._session.io_binding()
        image, logits = self._session.get_inputs()[0], self._session.get_outputs()[0]
        pixels = np.random.RandomState(0).standard_normal(image.shape).astype(np.float32)
        self._binding.bind_cpu_input(image.name, pixels)
        # Of a GPU too: once the output is in memory, the run has ended.
        self._binding.bind_output(logits.name, "cpu")
        self._own_time = settings.threads == 1 and settings.provider == CPU
        self._visits: list[float] = []

    def visit(self) -> None:
        """Times it, and remembers."""
        self._visits.append(self.seconds())

    def seconds(self) -> float:
        """What one of some runs in a row takes: of as many as fit into the shorter time, into the
        longer one while too few of them were undisturbed, and never fewer than `FEWEST_RUNS`."""
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
                disturbed.append(thread_time() - cpu if self._own_time else end - start)
            enough = VISIT_SECONDS[0] if len(kept) >= FEWEST_RUNS else VISIT_SECONDS[1]
            if end - begin >= enough and len(kept) + len(disturbed) >= FEWEST_RUNS:
                break
        # A run too long to escape the scheduler is judged by its time on the processor.
        runs = kept if len(kept) >= FEWEST_RUNS else kept + disturbed
        return float(np.quantile(runs, 0.1))

    @property
    def last_visit(self) -> float:
        """What a run took at the last visit, in seconds."""
        return self._visits[-1]

    def timing(self, rounds: list[int]) -> Timing:
        """What these of the visits since the last call say."""
        visits = np.array(self._visits)[rounds] * 1e3
        self._visits = []
        latency = float(np.quantile(visits, 0.25))
        spread = 0.0
        if len(visits) > 1:
            halves = [float(np.quantile(visits[i::2], 0.25)) for i in (0, 1)]
            spread = abs(halves[0] - halves[1]) / latency / 2
        return Timing(latency, spread, len(visits))


def time_loaded(
    models: Sequence[Model], settings: Settings, slowness: Callable[[], float] = lambda: 0.0
) -> list[Timing]:
    """The latency of each model, timed as one batch.

    After each round of visits `slowness()` says by how much the machine was slower than it can be.
    Rounds that were slower than `QUIET` are made up for by others, up to `PATIENCE` times as many;
    the quietest ones count.
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
def _pinned(settings: Settings) -> Iterator[None]:
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
    """How often this thread was switched out against its will; 0 where nobody counts."""
    if resource is None:
        return 0
    who = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
    return resource.getrusage(who).ru_nivcsw
