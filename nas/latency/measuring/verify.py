"""`verify`: times networks on this machine, or another, and compares their latencies with the
predictions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from nas.architecture import Architecture
from nas.defaults import DEFAULT_PRECISION, VERIFY_MINUTES
from nas.latency.measuring.bundle import model_files
from nas.latency.measuring.engines import loader, runtime_facts, subject_entries
from nas.latency.measuring.measure import ONNXRUNTIME, PRECISIONS, check_numbers, failures
from nas.latency.measuring.plan import anchors
from nas.latency.measuring.remote import Remote, time_over_ssh
from nas.latency.runner.batches import MeasuringProgress, run
from nas.latency.runner.main import machine_facts
from nas.latency.runner.timing import CPU, TimingSettings, full_provider
from nas.latency.runtimes import NAMES, Runtime, find_runtime
from nas.latency.table import Subject
from nas.latency.target import Prediction, Target
from nas.support.errors import NasError


class Timed(NamedTuple):
    """A comparison for each network, None for one that there was no time for; lines about what is
    wrong with the machine, or not as the target's; the `drift`: how much longer the reference
    networks take than is predicted of them (the median; .1: 10%), which is the machine's, or its
    state's; the `device`, and `how` they were timed there, in words."""

    comparisons: list[Comparison | None]
    notes: list[str]
    drift: float
    device: str
    how: str


class Comparison(NamedTuple):
    """A predicted latency, the measured one in ms, and the measurement's own relative error."""

    predicted: Prediction
    measured_ms: float
    spread: float

    @property
    def error(self) -> float:
        """The prediction's error as a fraction of the measured latency; above 0, the network is
        faster than predicted."""
        return self.predicted.ms / self.measured_ms - 1

    def without(self, drift: float) -> float:
        """The error that is left where the whole machine takes so much longer than predicted."""
        return (1 + self.error) * (1 + drift) - 1

    @property
    def inside(self) -> bool:
        """Whether the measured latency is in the predicted interval."""
        return self.predicted.low_ms <= self.measured_ms <= self.predicted.high_ms


def verify(
    networks: Sequence[Architecture],
    target: Target,
    *,
    remote: Remote | None = None,
    minutes: float = VERIFY_MINUTES,
    visits: int = 6,
    progress: Callable[[MeasuringProgress], None] = lambda progress: None,
    say: Callable[[str], None] = lambda line: None,
) -> Timed:
    """Times networks with the target's settings, and the reference networks that every table
    begins with: in each batch, so that they tell how steady the machine is, too.

    That is done here, or on a `remote` machine, whose lines `say` gets: with onnxruntime, in the
    target's precision and with its threads and provider as far as onnxruntime has them; the notes
    say where runtime and precision are others. Errors: `NasError` where the target's runtime,
    precision or provider cannot be run here, and those of `time_over_ssh`.
    """
    subjects = [Subject.network(arch) for arch in networks]
    unique = list(dict.fromkeys([*anchors(), *subjects]))
    if remote is None:
        timed, facts, warnings = _timed_here(unique, target, minutes, visits, progress)
    else:
        settings, precision = _remote_settings(target, visits)
        check_numbers(settings.threads, visits, precision, minutes)
        rows, told = time_over_ssh(remote, unique, settings, precision, minutes, say)
        timed = {row.subject.spec: (row.latency_ms, row.spread) for row in rows}
        facts, warnings = told.model_dump(), told.warnings
    where = "this" if remote is None else "that machine"
    notes = [
        f"{target.name} was measured on {was}, {where} is {facts[key]}"
        for key, was in (("device", target.metadata.device), ("runtime", target.metadata.runtime))
        if was != facts[key]
    ]
    if (wanted := target.metadata.precision) != facts["precision"]:
        notes.append(f"{target.name} was measured in {wanted}, {where} times {facts['precision']}")
    found = [timed.get(subject.spec) for subject in subjects]
    compared = [
        row and Comparison(target.predict(arch), *row)
        for arch, row in zip(networks, found, strict=True)
    ]
    how = f"through {facts['runtime']}, {facts['precision']}, {facts['threads']} thread(s)"
    return Timed(compared, notes + warnings, drift(timed, target), facts["device"], how)


def _timed_here(
    subjects: Sequence[Subject],
    target: Target,
    minutes: float,
    visits: int,
    progress: Callable[[MeasuringProgress], None],
) -> tuple[dict[str, tuple[float, float]], dict[str, Any], list[str]]:
    """Latencies in ms and spreads by spec of subjects timed here, what the machine is, and what is
    wrong with it."""
    settings, engine = _settings(target, visits)
    precision = target.metadata.precision
    check_numbers(settings.threads, visits, precision, minutes)
    with TemporaryDirectory() as name, failures():
        folder = Path(name)
        results = folder / "results.csv"
        if engine is None:
            entries, load = model_files(folder, subjects, precision, settings.provider), None
            machine = machine_facts(settings)
        else:
            entries, load = subject_entries(subjects), loader(engine, precision, settings.threads)
            machine = runtime_facts(engine, settings)
        outcome = run(folder, entries, results, settings, minutes, progress, len(subjects), load)
    warnings, cores = outcome.warnings(), len(os.sched_getaffinity(0))
    if settings.threads > cores:
        warnings.insert(
            0,
            f"{settings.threads} threads share {cores} core(s), as target {target.name} has them: "
            "latencies may be many times too long",
        )
    timed = {row.spec: (row.latency_ms, row.spread) for row in outcome.rows}
    return timed, machine | {"precision": precision}, warnings


def drift(timed: Mapping[str, tuple[float, float]], target: Target) -> float:
    """How much longer the reference networks among the timed ones take than the target predicts:
    the median over them. `timed` are latencies in ms and spreads by spec."""
    known = [(timed[each.spec][0], each.architecture()) for each in anchors() if each.spec in timed]
    return median(ms / target.predict(arch).ms for ms, arch in known) - 1


def _remote_settings(target: Target, visits: int) -> tuple[TimingSettings, str]:
    """The settings and the precision of a target's measurement as far as onnxruntime has them."""
    facts = target.metadata
    precision = facts.precision if facts.precision in PRECISIONS else DEFAULT_PRECISION
    provider = facts.provider if facts.runtime.startswith(ONNXRUNTIME) else None
    return TimingSettings(provider or CPU, facts.threads or 1, visits), precision


def _settings(target: Target, visits: int) -> tuple[TimingSettings, Runtime | None]:
    """The settings of a target's measurement and its runtime, None for onnxruntime.

    Errors: `NasError` where they cannot be used here.
    """
    facts = target.metadata
    name = facts.runtime.split()[0] if facts.runtime else ""
    if name not in (ONNXRUNTIME, *NAMES) or facts.precision not in PRECISIONS:
        raise NasError(
            f"target {target.name} is of {facts.runtime} in {facts.precision}, which cannot be run "
            f"here: only {', '.join([ONNXRUNTIME, *NAMES])} in {' or '.join(PRECISIONS)}"
        )
    try:
        engine = None if name == ONNXRUNTIME else find_runtime(name)
        with failures():
            provider = full_provider(facts.provider or CPU)
    except NasError as error:
        raise NasError(f"target {target.name} cannot be run here: {error}") from None
    return TimingSettings(provider, facts.threads or 1, visits), engine
