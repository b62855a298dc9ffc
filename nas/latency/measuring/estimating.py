"""`estimate`: writes the target of an NPU from what its compiler estimates; nothing is timed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import monotonic

from nas.defaults import MEASURE_MINUTES, TARGETS_FOLDER
from nas.formats.tflite import to_tflite
from nas.latency.measuring.measure import begin, check_numbers, finish, planned
from nas.latency.measuring.plan import Sampler
from nas.latency.runner.batches import MeasuringProgress
from nas.latency.runtimes.accelerators import find_accelerator
from nas.latency.table import TableRow, read_table, write_table
from nas.space import SearchSpace
from nas.support.errors import NasError
from nas.support.files import check_folder, write_whole

PRECISION, SPACE = "int8", "tiny"
BATCH = 24  # rows between writes of the table


def estimate(
    name: str,
    accelerator: str,
    *,
    minutes: float = MEASURE_MINUTES,
    rows: int = 600,
    folder: str | Path = TARGETS_FOLDER,
    progress: Callable[[MeasuringProgress], None] | None = None,
    sample: Sampler | None = None,
) -> tuple[Path, list[str]]:
    """Compiles networks and blocks with Vela and writes NAME.csv and NAME.yaml: `rows` of them, or
    as many as fit into `minutes`.

    Rows that the table already has are kept, so an interrupted call goes on. `sample(seed)` gives
    the networks, those of the space `tiny` unless it is given. The target's provenance is
    `estimated`. Returns the path of the YAML and lines about models that were left out. Errors:
    `NasError` for an unusable name, folder or accelerator, or where Vela is not installed.
    """
    npu = find_accelerator(accelerator)
    try:
        from nas.latency.runtimes import vela
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("ethosu"):
            raise
        raise NasError("Vela is not installed: pip install 'hw-nas[vela]'") from None
    check_numbers(1, 1, PRECISION, minutes)
    check_folder(Path(folder))
    facts = {
        "device": npu.device,
        "provenance": "estimated",
        "runtime": vela.title(),
        "provider": npu.name,
        "precision": PRECISION,
        "lowering": "ethos-u",
        "date": date.today().isoformat(),
        "sources": [f"{vela.title()}: its estimate of cycles; no silicon was measured"],
        "notes": f"system {npu.system}, memory mode {npu.memory} of Vela's own configuration",
    }
    target, table, metadata = begin(name, Path(folder), facts)
    known = {row.subject: row for row in read_table(table)} if table.exists() else {}
    left_out: list[str] = []
    start, limit = monotonic(), minutes * 60
    found = list(known.values())
    try:
        for subject in planned(table, sample or SearchSpace.load(SPACE).sample):
            if len(found) >= rows or (found and monotonic() - start >= limit):
                break
            if subject in known:
                continue
            try:
                result = vela.estimate(to_tflite(subject.graph(), int8={}), npu)
            except NasError as error:
                left_out.append(f"a {subject.kind} was left out: {error}")
                continue
            found.append(TableRow(subject, result.latency_ms, 0.0, 1))
            if len(found) % BATCH == 0:
                write_whole(target, metadata.to_yaml())
                write_table(table, found)
                seconds = monotonic() - start
                each = seconds / max(1, len(found) - len(known))
                left = min(limit - seconds, each * (rows - len(found)))
                if progress:
                    progress(MeasuringProgress(len(found), seconds, limit, max(0.0, left)))
    finally:
        if len(found) > len(known):
            write_whole(target, metadata.to_yaml())
            write_table(table, found)
        if table.exists() and target.exists():
            finish(target, metadata, [])
    return target, sorted(set(left_out))
