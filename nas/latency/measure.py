"""`measure`: times this machine and writes a target of it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from time import monotonic
from typing import NamedTuple

from nas.errors import NasError
from nas.files import write_whole
from nas.latency.metadata import Metadata, read_metadata
from nas.latency.plan import Sampler, random_network, subjects
from nas.latency.predictor import fitted
from nas.latency.table import Subject, TableRow, read_table, write_table

BATCH = 48  # so many that a visit to each takes longer than most disturbances


class Progress(NamedTuple):
    """How far a measurement is: rows in the table, seconds used and allowed."""

    rows: int
    seconds: float
    limit_seconds: float


def measure(
    name: str,
    *,
    minutes: float = 10.0,
    threads: int = 1,
    folder: str | Path = "latency_tables",
    progress: Callable[[Progress], None] | None = None,
    sample: Sampler = random_network,
    device: str | None = None,
    visits: int = 8,
) -> Path:
    """Times networks, blocks and kernels through onnxruntime and writes NAME.csv and NAME.yaml.

    Rows that the table already has are kept and more are added, so a call that was interrupted
    goes on where it stopped; nothing is written before the first batch is done. `sample(seed)`
    gives the networks to be timed. Returns the path of the YAML, which `Target.load` reads. Errors:
    `NasError` for an unusable name, folder or budget, or a table that was made with other settings.
    """
    from nas.latency.runner import pinned, time_graphs

    if not 0 < minutes < float("inf"):
        raise NasError(f"minutes must be above 0, not {minutes}")
    if threads < 1 or visits < 1:
        raise NasError(f"threads and visits must be at least 1, not {threads} and {visits}")
    target, table = Path(folder) / f"{name}.yaml", Path(folder) / f"{name}.csv"
    metadata = _begin(name, target, table, threads, device)
    rows = read_table(table) if table.exists() else []
    clock = _Clock(rows[0] if rows else None)
    start, limit = monotonic(), minutes * 60
    plan = _unseen(subjects(sample), {row.subject for row in rows})
    anchor = rows[0].subject if rows else next(plan)
    try:
        with pinned(threads):
            while not clock.started or monotonic() - start < limit:
                batch = [anchor, *islice(plan, BATCH)]
                graphs = [subject.graph() for subject in batch]
                timings = time_graphs(graphs, visits=visits, threads=threads)
                clock.add([TableRow(s, *t) for s, t in zip(batch, timings, strict=True)])
                found = [*rows, *clock.rows()]
                write_table(table, found)
                if not target.exists():
                    write_whole(target, metadata.to_yaml())
                if progress:
                    progress(Progress(len(found), monotonic() - start, limit))
    finally:
        if table.exists():
            write_whole(target, fitted(metadata, table).to_yaml())
    return target


class _Clock:
    """Undoes the drift of the machine's speed from batch to batch.

    The first row of a table, its anchor, is timed again in every batch, and a batch's latencies
    are scaled by what the anchor usually takes over what it took in this batch. Usual is the
    median of the batches of the first call; later calls add rows to that.
    """

    def __init__(self, anchor: TableRow | None) -> None:
        self._anchor = anchor
        self._batches: list[list[TableRow]] = []

    @property
    def started(self) -> bool:
        """Whether there is a batch."""
        return bool(self._batches)

    def add(self, batch: list[TableRow]) -> None:
        """A batch as it was timed; its first row is the anchor."""
        self._batches.append(batch)

    def rows(self) -> list[TableRow]:
        """All rows that were added, without drift; the anchor once, and only if it is new."""
        first = [batch[0].latency_ms for batch in self._batches]
        usual = self._anchor.latency_ms if self._anchor else median(first)
        found = [] if self._anchor else [self._batches[0][0]._replace(latency_ms=usual)]
        for anchor_ms, batch in zip(first, self._batches, strict=True):
            scale = usual / anchor_ms
            found += [row._replace(latency_ms=row.latency_ms * scale) for row in batch[1:]]
        return found


def _unseen(plan: Iterator[Subject], seen: set[Subject]) -> Iterator[Subject]:
    """The subjects of a plan, each once and none that was seen."""
    for subject in plan:
        if subject not in seen:
            seen.add(subject)
            yield subject


def _begin(name: str, target: Path, table: Path, threads: int, device: str | None) -> Metadata:
    """The metadata of a table that is begun or continued."""
    import onnxruntime

    runtime = f"onnxruntime {onnxruntime.__version__}, CPU"
    if target.exists():
        found = read_metadata(target)
        if (found.runtime, found.threads) != (runtime, threads):
            raise NasError(
                f"{target} was measured with {found.runtime}, {found.threads} threads, not "
                f"{runtime}, {threads}; choose another name"
            )
        return found
    if table.exists():
        raise NasError(f"{table} has no {target.name} beside it; choose another name")
    try:
        return Metadata(
            name=name,
            device=device or _device(),
            provenance="measured",
            runtime=runtime,
            precision="fp32",
            threads=threads,
            date=datetime.now(UTC).date().isoformat(),
            sources=["nas measure"],
        )
    except ValueError:
        raise NasError(
            f"name {name!r} must be of lower-case letters, digits, '.', '_' and '-'"
        ) from None


def _device() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
