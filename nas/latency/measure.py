"""`measure`: times this machine and writes a target of it."""

from __future__ import annotations

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from nas.errors import NasError
from nas.files import write_whole
from nas.latency.metadata import Metadata, read_metadata
from nas.latency.plan import Sampler, random_network, subjects
from nas.latency.predictor import fitted
from nas.latency.table import Subject, TableRow, read_table, write_table

BATCH = 48  # so many that a visit to each takes longer than most disturbances
LEAST_ROWS = 3


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
    goes on where it stopped. `sample(seed)` gives the networks to be timed. Returns the path of
    the YAML, which `Target.load` reads. Errors: `NasError` for an unusable name, folder or budget,
    or a table that was made with other settings.
    """
    from nas.latency.runner import pinned, time_graphs

    if not 0 < minutes < float("inf"):
        raise NasError(f"minutes must be above 0, not {minutes}")
    if threads < 1 or visits < 1:
        raise NasError(f"threads and visits must be at least 1, not {threads} and {visits}")
    target, table = Path(folder) / f"{name}.yaml", Path(folder) / f"{name}.csv"
    metadata = _begin(name, target, table, threads, device)
    rows = read_table(table) if table.exists() else []
    seen = {row.subject for row in rows}
    start, limit = monotonic(), minutes * 60
    plan = (s for s in subjects(sample) if s not in seen and not seen.add(s))  # type: ignore[func-returns-value]
    try:
        with pinned(threads):
            while monotonic() - start < limit or len(rows) < LEAST_ROWS:
                batch: list[Subject] = list(islice(plan, BATCH))
                graphs = [subject.graph() for subject in batch]
                timings = time_graphs(graphs, visits=visits, threads=threads)
                rows += [TableRow(s, *t) for s, t in zip(batch, timings, strict=True)]
                write_table(table, rows)
                if progress:
                    progress(Progress(len(rows), monotonic() - start, limit))
    finally:
        if len(rows) >= LEAST_ROWS:
            write_whole(target, fitted(metadata, table).to_yaml())
    return target


def _begin(name: str, target: Path, table: Path, threads: int, device: str | None) -> Metadata:
    """The metadata of a table that is begun or continued, written beside it at once."""
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
        metadata = Metadata(
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
    write_whole(target, metadata.to_yaml())
    return metadata


def _device() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
