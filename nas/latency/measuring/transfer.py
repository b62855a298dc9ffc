"""Measuring a device that this program does not run on: writes its bundle, imports its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from shutil import copyfile
from typing import Any, Literal

import onnxruntime
from pydantic import ConfigDict

from nas.defaults import DEFAULT_PRECISION, MEASURE_MINUTES, TARGETS_FOLDER
from nas.imported import ImportedNetwork
from nas.latency.folders import folder_of
from nas.latency.measuring.bundle import write_bundle
from nas.latency.measuring.measure import begin, begun, check_numbers, finish, planned
from nas.latency.measuring.plan import Sampler, mixed_network
from nas.latency.metadata import Protocol, check_name
from nas.latency.plausible import check_plausible, slowness
from nas.latency.runner.batches import ANCHORS
from nas.latency.runner.main import FACTS, RESULTS
from nas.latency.runner.timing import CPU, TimingSettings
from nas.latency.table import Subject, TableRow, read_table, write_table
from nas.support.errors import NasError, one_of
from nas.support.files import read_text
from nas.support.validation import Settings, validated

MODELS_A_MINUTE = 300  # more than the fastest processors time


class Facts(Settings):
    """The contents of `results.json`: what a runner says of its device."""

    model_config = ConfigDict(strict=True)

    format: Literal[1]
    target: str
    precision: str
    device: str
    cpu_flags: list[str]
    runtime: str
    provider: str
    threads: int
    lowering: str
    protocol: Protocol
    date: str
    warnings: list[str]


def read_facts(path: Path) -> Facts:
    """What a runner says of its device. Errors: `NasError` with the file and the rule."""
    return validated(Facts, read_text(path, str(path)), str(path))


def make_bundle(
    name: str,
    bundle: Path,
    *,
    minutes: float = MEASURE_MINUTES,
    provider: str = CPU,
    threads: int = 1,
    precision: str = DEFAULT_PRECISION,
    visits: int = 6,
    folder: Path = TARGETS_FOLDER,
    say: Callable[[str], None] = lambda line: None,
    sample: Sampler = mixed_network,
    own: Sequence[Subject] = (),
) -> int:
    """Writes a folder with all that a device needs to be timed, and the rows that the target has
    already; returns the number of models to be timed. `say` gets a line before the models are
    written, which takes half a minute. Errors: those of `measure`, and `NasError` where the folder
    is not empty."""
    check_name(name)
    check_numbers(threads, visits, precision, minutes)
    if bundle.exists() and (not bundle.is_dir() or any(bundle.iterdir())):
        raise NasError(f"{bundle} exists and is no empty folder")
    table = folder / f"{name}.csv"
    count = max(ANCHORS + 1 + len(own), round(minutes * MODELS_A_MINUTE))
    known = len(read_table(table)) if table.exists() else 0
    say(f"writing up to {known + count} models to {bundle}")
    models = write_bundle(
        bundle,
        islice(planned(table, sample, own), known + count),
        target=name,
        settings=TimingSettings(provider, threads, visits),
        precision=precision,
        minutes=minutes,
    )
    if table.exists():
        copyfile(table, bundle / RESULTS)
    return models


def import_results(
    results: Path,
    *,
    name: str | None = None,
    folder: Path | None = None,
    precision: str | None = None,
    threads: int | None = None,
    provider: str | None = None,
) -> tuple[Path, list[str]]:
    """Makes a target of the rows that a bundle's runner wrote; returns the path of its YAML and
    lines about what is wrong with the machine.

    `results.json` beside the rows describes the device, and what is given must agree with it.
    Without it the device is unknown, and name, precision, threads and provider are the given ones.
    Errors: `NasError` for a file that is not as the runner wrote it, with the row and its rule, for
    latencies that no device has, where what is given differs from it, and where the target has rows
    that `results` lacks or was measured with other settings. A call that was interrupted is gone on
    with by the same one.
    """
    rows = read_table(results)
    slow = _checked(results, rows)
    path = results.with_name(FACTS)
    facts: dict[str, Any]
    if path.exists():
        told = read_facts(path)
        for key, value in (("precision", precision), ("threads", threads), ("provider", provider)):
            said = getattr(told, key)
            if value is not None and _short(value) != _short(said):
                raise NasError(f"--{key} {value}: {path} says {said}; leave the option out")
        facts = told.model_dump(exclude={"format", "target", "warnings"})
        name, warnings = name or told.target, told.warnings
    else:
        if name is None:
            raise NasError(f"{path} is missing; without it, --target must name the target")
        warnings = [f"no {FACTS} came with the rows: the device is unknown"]
        facts = {
            "device": "unknown",
            "runtime": "onnxruntime",
            "provider": None if provider is None else _full_provider(provider),
            "precision": precision or DEFAULT_PRECISION,
            "threads": 1 if threads is None else threads,
            "date": date.today().isoformat(),
        }
    warnings = [*warnings, *slow]
    target, table, metadata = begin(name, folder or folder_of(name), facts)
    if table.exists():
        lost = {row.subject for row in read_table(table)} - {row.subject for row in rows}
        if lost:
            raise NasError(f"{table} has {len(lost)} rows that {results} lacks; use another name")
    with begun(target, table, metadata):
        write_table(table, rows)
        finish(target, metadata, warnings)
    return target, warnings


def _checked(results: Path, rows: Sequence[TableRow]) -> list[str]:
    """What to tell of latencies that only a microcontroller has. Errors: `NasError` for those of
    no device."""
    timed = {f"row {n}": row for n, row in enumerate(rows, 2) if row.subject.kind == "network"}
    networks = [ImportedNetwork("", row.subject.graph(), {}, ()) for row in timed.values()]
    latency_ms = [row.latency_ms for row in timed.values()]
    pairs = list(zip(networks, latency_ms, strict=True))
    try:
        check_plausible(pairs, labels=list(timed))
    except NasError as error:
        raise NasError(f"table {results}: {error}") from None
    said = slowness(pairs)
    return [said] if said else []


def _full_provider(name: str) -> str:
    """onnxruntime's name of a provider, which this machine need not have. Errors: `NasError`."""
    known: dict[str, str] = {_short(full): full for full in onnxruntime.get_all_providers()}
    if _short(name) not in known:
        raise one_of("provider", name, known)
    return known[_short(name)]


def _short(value: object) -> str:
    """A setting's text; onnxruntime's CPUExecutionProvider is called cpu too."""
    return str(value).lower().removesuffix("executionprovider")
