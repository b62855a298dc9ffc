"""`run`: times models batch after batch; a batch's rows are on disk before the next one begins."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np

from .clock import Clock, Row, Watch, merged
from .timing import Failure, Model, TimingSettings, onnx_model, time_loaded

COLUMNS = ("kind", "spec", "latency_ms", "spread", "visits")
BATCH = 48  # models; a visit to each of them takes longer than most disturbances
ANCHORS = 5
# Each model is loaded this often, minutes apart: the machine's other work, and the memory that a
# session happens to get, change its latency more than anything within a session.
SESSIONS = 2
BLOCK = 1 << 20  # random numbers, which a weight file repeats
NOISY, UNSTEADY = 0.02, 0.05


class Entry(NamedTuple):
    """A model to be timed: the kind and spec of its row, its file, and the bytes it takes of each
    weight file."""

    kind: str
    spec: str
    file: str
    weights: dict[str, int]


class MeasuringProgress(NamedTuple):
    """How far a measurement is: rows in the table, and the seconds used, allowed and left (an
    estimate)."""

    rows: int
    seconds: float
    limit_seconds: float
    left_seconds: float

    def __str__(self) -> str:
        used, limit, left = (
            f"{round(s) // 60}:{round(s) % 60:02d}"
            for s in (self.seconds, self.limit_seconds, self.left_seconds)
        )
        return f"{self.rows} rows, {used} of {limit} used, about {left} left"


class Outcome(NamedTuple):
    """The result of `run`: all rows; by which fraction the slowest batch took longer than the
    fastest one; why models were left out; whether all was timed."""

    rows: list[Row]
    drift: float
    left_out: list[str]
    complete: bool

    def warnings(self) -> list[str]:
        """Lines that tell the user what is wrong with the machine."""
        said = []
        noise = float(np.median([row.spread for row in self.rows]))
        if noise > NOISY:
            said.append(f"the machine is noisy: a typical latency is uncertain by {noise:.1%}")
        if self.drift > UNSTEADY:
            said.append(f"the clock is not steady: batches differ in speed by {self.drift:.0%}")
        governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
        try:
            mode = governor.read_text().strip()
        except OSError:
            mode = "performance"
        if mode != "performance":
            said.append(f"the clock may not be steady: the cpufreq governor is {mode!r}")
        return said + self.left_out


def run(
    folder: Path,
    entries: Iterable[Entry],
    results: Path,
    settings: TimingSettings,
    minutes: float,
    report: Callable[[MeasuringProgress], None],
    total: int,
    load: Callable[[Entry], Callable[[], object]] | None = None,
) -> Outcome:
    """Times the entries, about `total` of them, and writes all rows to `results` after each batch.
    The entries' files are in `folder`: models of onnxruntime, unless `load` gives what runs one.

    The first entries are the anchors. Rows that `results` has are kept. Rows with fewer visits than
    asked for are timed again, in new sessions, once all others have been timed. The run ends with
    the first batch that ends after `minutes`. Errors: `Failure` where no anchor can be timed.
    """
    start, limit = monotonic(), minutes * 60
    kept = read_rows(results)
    known = {row[:2]: row for row in kept}
    loader = _Loader(folder, settings, load)
    coming = iter(entries)
    first = list(islice(coming, ANCHORS))
    usual = [entry for entry in first if not kept or entry[:2] in known]
    anchors = [(entry, model) for entry in usual for model in loader.load(entry)]
    if not anchors:
        why = "; ".join(loader.left_out) or f"{results.name} has no row of the first models"
        raise Failure(f"nothing can be timed: {why}")
    clock = Clock([known[entry[:2]].latency_ms for entry, _ in anchors] if kept else [])
    measured = kept
    watch = Watch([model for _, model in anchors])
    session = settings._replace(visits=-(-settings.visits // SESSIONS))

    seen: list[Entry] = []

    def unseen() -> Iterator[Entry]:
        for entry in coming:
            seen.append(entry)
            if entry[:2] not in known:
                yield entry

    def again() -> Iterator[Entry]:
        visits = {row[:2]: row.visits for row in measured}
        return (e for e in seen if 0 < visits.get(e[:2], 0) < settings.visits)

    turn, turns = unseen(), SESSIONS
    while True:
        batch = loader.batch(turn)
        while not batch and turns > 1:
            turn, turns = again(), turns - 1
            batch = loader.batch(turn)
        if measured and not batch:
            return Outcome(measured, clock.drift, loader.left_out, True)
        pairs = anchors + batch
        timings = time_loaded([model for _, model in pairs], session, watch.slowness)
        rows = [Row(entry.kind, entry.spec, *timing) for (entry, _), timing in zip(pairs, timings)]
        clock.add(rows[: len(anchors)], rows[len(anchors) :])
        measured = merged(kept + clock.rows())
        write_rows(results, measured)
        seconds = monotonic() - start
        timed = clock.count / SESSIONS
        rest = (total - len(kept) - timed) * seconds / (timed or 1)
        left = max(0.0, min(limit - seconds, rest))
        report(MeasuringProgress(len(measured), seconds, limit, left))
        if seconds >= limit:
            return Outcome(measured, clock.drift, loader.left_out, False)


class _Loader:
    """Loads models; `left_out` has a line for each that could not be loaded, with the reason."""

    def __init__(
        self,
        folder: Path,
        settings: TimingSettings,
        load: Callable[[Entry], Callable[[], object]] | None,
    ) -> None:
        self._folder, self._settings, self._other = folder, settings, load
        self._memory = _free_memory() // 4  # a runtime may hold each weight twice
        self.left_out: list[str] = []

    def batch(self, entries: Iterator[Entry]) -> list[tuple[Entry, Model]]:
        """The next entries with their models, as many as make a batch and fit into memory."""
        loaded: list[tuple[Entry, Model]] = []
        size = 0
        while len(loaded) < BATCH and size < self._memory:
            entry = next(entries, None)
            if entry is None:
                break
            loaded += [(entry, model) for model in self.load(entry)]
            size += sum(entry.weights.values())
        return loaded

    def load(self, entry: Entry) -> list[Model]:
        """The model of an entry in a list, empty where runtime or memory does not allow it."""
        size = sum(entry.weights.values())
        if size > self._memory:
            self.left_out.append(f"{entry.file} was left out: its weights take {size >> 20} MB")
            return []
        try:
            if self._other is not None:
                return [Model(self._other(entry), self._settings)]
            for name, length in entry.weights.items():
                grow_weights(self._folder / name, length)
            return [onnx_model(str(self._folder / entry.file), self._settings)]
        except Failure:
            raise
        except Exception as error:  # whatever a runtime throws about one model
            reason = " ".join(str(error).split())
            self.left_out.append(f"{entry.file} was left out: {reason:.200}")
            return []


def grow_weights(path: Path, size: int) -> None:
    """Makes a file of weights at least `size` bytes long. Its name says what is in it: `f0.25` has
    normally distributed float32 numbers of that standard deviation, `i8` random bytes, `zero`
    zeros.

    So a bundle of thousands of models has no weights in it: they are made where they are needed.
    """
    have = path.stat().st_size if path.exists() else 0
    if have >= size:
        return
    random = np.random.RandomState(0)
    if path.name == "i8":
        block = random.randint(-127, 128, BLOCK).astype(np.int8).tobytes()
    elif path.name == "zero":
        block = bytes(BLOCK)
    else:
        block = (random.standard_normal(BLOCK) * float(path.name[1:])).astype(np.float32).tobytes()
    with open(path, "ab") as file:
        file.truncate(have - have % len(block))
        while file.tell() < size:
            file.write(block)


def read_rows(path: Path) -> list[Row]:
    """The rows that an earlier call wrote; none without a file. Errors: `Failure` for another
    file."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    try:
        if tuple(lines[0]) != COLUMNS:
            raise ValueError
        return [Row(k, spec, float(ms), float(s), int(n)) for k, spec, ms, s, n in lines[1:]]
    except (IndexError, ValueError):
        raise Failure(f"{path} is no table of nas measure; remove it to begin anew") from None


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Writes a table of rows, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([*row[:2], f"{row.latency_ms:.6g}", f"{row.spread:.3g}", row.visits])
    write_whole(path, text.getvalue())


def write_whole(path: Path, text: str) -> None:
    """Writes a text file whole or not at all: to a temporary file, synced and then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with open(part, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _free_memory() -> int:
    """The memory in bytes that is free for models; a guess where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(x.split()[1]) << 10 for x in lines if x.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 4 << 30
