"""Times networks with runtimes other than onnxruntime.

A thousand models would be gigabytes of random weights, so each is written when it is loaded, and
removed once it is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nas.latency.runner.batches import Entry
from nas.latency.runner.main import machine_facts
from nas.latency.runner.timing import TimingSettings
from nas.latency.runtimes import Runtime
from nas.latency.table import Subject
from nas.support.errors import NasError

BYTES_PER_WEIGHT = 4


def runtime_facts(runtime: Runtime, settings: TimingSettings) -> dict[str, Any]:
    """The facts that a target keeps of this machine, of the runtime and of the settings."""
    own = {"runtime": runtime.title, "provider": None, "lowering": runtime.lowering}
    return machine_facts(settings) | own


def check_precision(runtime: Runtime, precision: str) -> None:
    """Checks that a runtime can be timed in it. Errors: `NasError` with those that it can."""
    if precision not in runtime.precisions:
        allowed = " or ".join(runtime.precisions)
        raise NasError(f"runtime {runtime.name} is timed in {allowed}, not in {precision}")


def subject_entries(subjects: Iterable[Subject]) -> Iterator[Entry]:
    """Yields the entry of each subject, with what its weights take and without a file."""
    for i, subject in enumerate(subjects):
        weights = sum(kernel.weights for kernel in subject.kernels())
        yield Entry(subject.kind, subject.spec, f"{i:05d}", {"": BYTES_PER_WEIGHT * weights})


def loader(runtime: Runtime, precision: str, threads: int) -> Callable[[Entry], Callable[[], None]]:
    """What loads the network of an entry and gives what runs it once."""

    def load(entry: Entry) -> Callable[[], None]:
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"model{runtime.suffix}"
            runtime.write(path, Subject(entry.kind, entry.spec).graph(), precision)
            return runtime.load(path, threads).run

    return load
