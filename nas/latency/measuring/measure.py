"""`measure`: times networks on this machine and writes the target of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nas.defaults import DEFAULT_PRECISION, DEFAULT_RUNTIME, MEASURE_MINUTES
from nas.imported import Network
from nas.latency.folders import folder_of
from nas.latency.host import shipped_cpus
from nas.latency.lowering.rows import BLOCKS, NEUTRAL
from nas.latency.measuring.bundle import model_files
from nas.latency.measuring.engines import (
    check_precision,
    loader,
    runtime_facts,
    subject_entries,
)
from nas.latency.measuring.plan import SUBJECTS, Sampler, anchors, mixed_network, subjects
from nas.latency.metadata import Metadata, check_name, read_metadata
from nas.latency.model.error import error_of
from nas.latency.model.fitting import fitted, timed_networks
from nas.latency.model.scaled import left_out
from nas.latency.runner.batches import ANCHORS, MeasuringProgress, run
from nas.latency.runner.main import machine_facts
from nas.latency.runner.timing import CPU, Failure, TimingSettings, full_provider
from nas.latency.runtimes import find_runtime
from nas.latency.table import Subject, read_table
from nas.latency.target import shipped_target
from nas.networks import network_file
from nas.resolution import Resolution
from nas.support.errors import NasError
from nas.support.files import check_folder, write_whole
from nas.support.validation import validated

ONNXRUNTIME = DEFAULT_RUNTIME
PRECISIONS = ("fp32", "int8")
QUICK = 64  # networks of a quick table
# All rows of a table share these settings; the others may change from call to call.
FIXED = ("runtime", "provider", "threads", "precision")


def measure(
    name: str,
    *,
    minutes: float = MEASURE_MINUTES,
    runtime: str = ONNXRUNTIME,
    provider: str = CPU,
    threads: int = 1,
    precision: str = DEFAULT_PRECISION,
    visits: int = 6,
    folder: str | Path | None = None,
    progress: Callable[[MeasuringProgress], None] = lambda progress: None,
    sample: Sampler = mixed_network,
    own: Sequence[Subject] = (),
    quick: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Path, list[str]]:
    """Times networks, blocks and kernels with a runtime and writes NAME.csv and NAME.yaml.

    Rows that the table already has are kept and more are added, so a call that was interrupted
    goes on where it stopped; nothing stays where no batch was done. `sample(seed)` gives the
    networks to be timed beside published ones; those of `own` are timed first. `provider` is
    onnxruntime's. The `folder` is the user's own unless given or unless `latency_tables` has the
    target. A `quick` table has `QUICK` networks and only scales the predictor of a shipped target.
    `say` gets a line where an interruption is followed by the fit of what there is. Returns the
    path of the YAML, which `Target.load` reads, and lines about what is wrong with the machine.
    Errors: `NasError` for an unusable name, folder, runtime, provider or budget, or a table that
    was made with other settings.
    """
    check_numbers(threads, visits, precision, minutes)
    cores = os.cpu_count() or threads
    if threads > cores:
        raise NasError(f"threads {threads}: this machine has {cores}")
    place = folder_of(name) if folder is None else Path(folder)
    check_folder(place)
    engine = None if runtime == ONNXRUNTIME else find_runtime(runtime)
    with failures():
        settings = TimingSettings(full_provider(provider), threads, visits)
        if engine is None:
            facts = machine_facts(settings)
        else:
            check_precision(engine, precision)
            facts = runtime_facts(engine, settings)
    facts |= {"precision": precision}
    target, table, metadata = begin(name, place, facts)
    plan, end = planned(table, sample, own), finish
    if quick:
        if table.exists() and metadata.scales is None:
            raise NasError(f"{table} is no quick one: go on with it without --quick")
        metadata = metadata.model_copy(update={"scales": base_of(metadata)})
        plan, end = islice((s for s in plan if s.kind == "network"), QUICK), finish_quick
    notes: list[str] = []

    with begun(target, table, metadata):
        try:
            with TemporaryDirectory() as made, failures(), told_of_the_fit(table, say):
                models = Path(made)
                files = model_files(models, plan, precision, settings.provider)
                entries, load = files, None
                if engine is not None:
                    entries, load = subject_entries(plan), loader(engine, precision, threads)
                total = QUICK if quick else SUBJECTS
                outcome = run(models, entries, table, settings, minutes, progress, total, load)
            notes = outcome.warnings()
        finally:
            if table.exists() and target.exists():
                end(target, metadata, notes)
    return target, notes


@contextmanager
def begun(target: Path, table: Path, metadata: Metadata) -> Iterator[None]:
    """A context that writes a target's table. The YAML of a new one is there before it, and removed
    where no table was written. Errors: `NasError` where the YAML cannot be written."""
    begins = not target.exists()
    try:
        # The table cannot be gone on with without it, and what is between may be interrupted.
        if begins:
            write_whole(target, metadata.to_yaml())
        yield
    finally:
        if begins and not table.exists():
            target.unlink(missing_ok=True)


@contextmanager
def told_of_the_fit(table: Path, say: Callable[[str], None]) -> Iterator[None]:
    """A context after whose interruption the table is fitted, which takes seconds: `say` is told at
    once."""
    try:
        yield
    except KeyboardInterrupt:
        if table.exists() and (rows := len(read_table(table))):
            say(f"interrupted; fitting {rows} rows")
        raise


def check_numbers(threads: int, visits: int, precision: str, minutes: float) -> None:
    """Checks the settings of a measurement. Errors: `NasError` with the rule that is broken."""
    if not 0 < minutes < float("inf"):
        raise NasError(f"minutes must be above 0, not {minutes}")
    if threads < 1:
        raise NasError(f"--threads {threads}: must be at least 1")
    if visits < 1:
        raise NasError(f"visits must be at least 1, not {visits}")
    if precision not in PRECISIONS:
        raise NasError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")


@contextmanager
def failures() -> Iterator[None]:
    """A context that raises the runner's errors as `NasError`."""
    try:
        yield
    except Failure as failure:
        raise NasError(str(failure)) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise NasError(f"{where}{error.strerror or error}") from None


def begin(name: str, folder: Path, facts: Mapping[str, object]) -> tuple[Path, Path, Metadata]:
    """The YAML and the table of a target that is begun or continued, and its metadata; `facts` are
    what a runner says of its device. Errors: `NasError` where the table was measured with other
    settings."""
    check_name(name)
    target, table = folder / f"{name}.yaml", folder / f"{name}.csv"
    data = {"name": name, "provenance": "measured", "sources": ["nas measure"], **facts}
    if facts["precision"] != "fp32" and facts.get("lowering") in BLOCKS:
        data["lowering"] = NEUTRAL
    new = validated(Metadata, data, f"target {name}")
    if target.exists():
        metadata = read_metadata(target)
        for key in FIXED:
            check_same(target, metadata, key, getattr(new, key))
        return target, table, metadata
    if table.exists():
        raise NasError(f"{table} has no {target.name} beside it; choose another name")
    return target, table, new


def check_same(target: Path, metadata: Metadata, key: str, value: object) -> None:
    """Checks that a target was measured with this setting. Errors: `NasError` with both values."""
    before = getattr(metadata, key)
    if before != value:
        raise NasError(
            f"{target} was measured with {key} {before}, not {value}; choose another name"
        )


def own_models(
    folder: Path, resolution: Resolution | None = None
) -> tuple[dict[str, Subject], list[str]]:
    """The ONNX networks of a folder, by file name, as subjects, and which files are left out and
    why. `resolution` is that of files that leave it open. Errors: `NasError` where none is left."""
    paths = sorted(folder.glob("*.onnx"))
    if not paths:
        raise NasError(f"--models {folder}: there is no .onnx file")
    found, left_out = {}, []
    for path in paths:
        try:
            found[path.name] = Subject.network(_own_network(path, resolution))
        except NasError as error:
            left_out.append(f"{path} is left out: {str(error).removeprefix(f'{path}: ')}")
    if not found:
        raise NasError(f"--models {folder}: no .onnx file can be timed: {left_out[0]}")
    return found, left_out


def _own_network(path: Path, resolution: Resolution | None) -> Network:
    try:
        return network_file(path)
    except NasError:
        if resolution is None:
            raise
        return network_file(path, resolution)


def planned(table: Path, sample: Sampler, own: Sequence[Subject] = ()) -> Iterator[Subject]:
    """Yields the subjects to time for a table, new or begun, each once: its anchors, then `own`
    ones, then the plan."""
    known = [row.subject for row in read_table(table)] if table.exists() else []
    seen: set[Subject] = set()
    for subject in chain(known[:ANCHORS] or anchors(), own, subjects(sample)):
        if subject not in seen:
            seen.add(subject)
            yield subject


def finish(target: Path, metadata: Metadata, notes: list[str]) -> None:
    """Writes the YAML of a target with what is fitted to its table, and with notes on the
    machine."""
    about = {note.partition(":")[0] for note in notes}
    kept = [n for n in metadata.notes.split("; ") if n and n.partition(":")[0] not in about]
    text = "; ".join([*kept, *notes])
    whole = {"scales": None, "sources": ["nas measure"]} if metadata.scales else {}
    metadata = metadata.model_copy(update={"notes": text, **whole})
    write_whole(target, fitted(metadata, target.with_suffix(".csv")).to_yaml())


def base_of(metadata: Metadata) -> str:
    """The shipped target that a quick table of these settings scales: of the same precision, and as
    alike as may be in how channels are stored, then in threads. Errors: `NasError` where there is
    none."""
    if metadata.provider != CPU:
        raise NasError("--quick scales the table of a CPU with onnxruntime: leave it out")
    alike = shipped_cpus(metadata.precision)
    if not alike:
        raise NasError(f"--quick: no shipped target is in {metadata.precision}: leave it out")
    threads = metadata.threads or 1

    def unlike(each: Metadata) -> tuple[bool, int]:
        return each.lowering != metadata.lowering, abs((each.threads or 1) - threads)

    return min(alike, key=unlike).name


def finish_quick(target: Path, metadata: Metadata, notes: list[str]) -> None:
    """Writes the YAML of a target that scales a shipped one, with the error of each network by the
    scale of the others."""
    table = target.with_suffix(".csv")
    base = shipped_target(base_of(metadata))
    networks, latency_ms = timed_networks(metadata, table)
    logs = left_out(base.predictor, networks, latency_ms)
    facts = {
        "scales": base.name,
        "sources": ["nas measure --quick", f"scaled from {base.name}"],
        "notes": "; ".join(notes),
        "noise": round(float(np.median([row.spread for row in read_table(table)])), 5),
        "error": error_of(logs, "leave one network out", rows=len(logs)),
    }
    write_whole(target, metadata.model_copy(update=facts).to_yaml())
