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
from nas.latency.metadata import Metadata
from nas.latency.runner.batches import MeasuringProgress
from nas.latency.runtimes.accelerators import find_accelerator
from nas.latency.table import TableRow, read_table, write_table
from nas.space import SearchSpace
from nas.support.errors import NasError
from nas.support.files import check_folder, write_whole
from nas.support.resources import install_extra

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
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Path, list[str]]:
    """Compiles networks and blocks with Vela and writes NAME.csv and NAME.yaml: `rows` of them, or
    as many as fit into `minutes`.

    Rows that the table already has are kept, so an interrupted call goes on. `sample(seed)` gives
    the networks, those of the space `tiny` unless it is given. The target's provenance is
    `estimated`. `say` is as `measure` has it. Returns the path of the YAML and lines about models
    that were left out. Errors:
    `NasError` for an unusable name, folder or accelerator, or where Vela is not installed.
    """
    npu = find_accelerator(accelerator)
    try:
        from nas.latency.runtimes import vela
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("ethosu"):
            raise
        raise NasError(f"Vela is not installed: {install_extra('vela')}") from None
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
    draft = _Draft(*begin(name, Path(folder), facts))
    left_out: set[str] = set()
    try:
        for subject in planned(draft.table, sample or SearchSpace.load(SPACE).sample):
            if len(draft.rows) >= rows or (draft.rows and draft.seconds >= minutes * 60):
                break
            if subject in draft.known:
                continue
            try:
                result = vela.estimate(to_tflite(subject.graph(), int8={}), npu)
            except NasError as error:
                left_out.add(f"a {subject.kind} was left out: {error}")
                continue
            draft.rows.append(TableRow(subject, result.latency_ms, 0.0, 1))
            if len(draft.rows) % BATCH == 0:
                draft.write()
                if progress:
                    progress(draft.progress(rows, minutes * 60))
    except KeyboardInterrupt:
        if draft.rows:
            say(f"interrupted; fitting {len(draft.rows)} rows")
        raise
    finally:
        draft.finish()
    return draft.target, sorted(left_out)


class _Draft:
    """A target on its way: the rows that its table had (`known`) and those that came since."""

    def __init__(self, target: Path, table: Path, metadata: Metadata) -> None:
        self.target, self.table, self.metadata = target, table, metadata
        by_subject = {row.subject: row for row in read_table(table)} if table.exists() else {}
        self.known, self.rows = by_subject.keys(), list(by_subject.values())
        self._start = monotonic()

    @property
    def seconds(self) -> float:
        """How long it took so far."""
        return monotonic() - self._start

    def progress(self, rows: int, limit: float) -> MeasuringProgress:
        """How far it is on the way to so many `rows`, or to its `limit` in seconds."""
        seconds, count = self.seconds, len(self.rows)
        each = seconds / max(1, count - len(self.known))
        left = min(limit - seconds, each * (rows - count))
        return MeasuringProgress(count, seconds, limit, max(0.0, left))

    def write(self) -> None:
        write_whole(self.target, self.metadata.to_yaml())
        write_table(self.table, self.rows)

    def finish(self) -> None:
        """Writes what is new, and fits the predictor."""
        if len(self.rows) > len(self.known):
            self.write()
        if self.table.exists() and self.target.exists():
            finish(self.target, self.metadata, [])
