"""Fits a measured target's predictor to its table, judges it on networks left out, and keeps it.

Whole networks and blocks of the table are fitted jointly, as sums of kernels. The fit is plain
numbers in TARGET.fit.json, stamped with the table's checksum and with that of the numbers
themselves.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import Lowering
from nas.latency.metadata import Metadata
from nas.latency.model.basis import Additive, Vector
from nas.latency.model.columns import Columns
from nas.latency.model.corrections import VERSION, Sample, counted, fit_corrections, importances
from nas.latency.model.doubt import WAVES, Doubt
from nas.latency.model.error import LeftOut, error_of, far_off, interval_factor
from nas.latency.model.predictor import Predictor, read_facts
from nas.latency.model.prices import fit_prices
from nas.latency.table import TableRow, read_table
from nas.support.errors import NasError, NasWarning
from nas.support.files import read_bytes, read_text, write_whole

FOLDS = 5
FEWEST_NETWORKS = 10  # below that nothing can be said of the error
PRICED = 300  # rows that are enough to price a dozen kinds of work
OWN = "sha256"  # the key of the checksum of a fit's own numbers


def table_predictor(metadata: Metadata, table: Path) -> Predictor:
    """The predictor of a measured target: as stored, or fitted anew where the table has changed.

    Errors: `NasError` naming the table, the row and the rule it breaks.
    """
    stored = _stored(metadata, table)
    if stored is not None:
        return stored
    predictor = fit_rows(read_table(table), metadata.lowering)
    with suppress(NasError):  # in a folder that cannot be written it is fitted each time
        _store(predictor, metadata, table)
    return predictor


def timed_networks(metadata: Metadata, table: Path) -> tuple[list[tuple[Kernel, ...]], Vector]:
    """The networks of a table, each as its kernels, and their latencies in ms."""
    rows = [row for row in read_table(table) if row.subject.kind == "network"]
    kernels = [row.subject.kernels(metadata.lowering) for row in rows]
    return kernels, np.array([row.latency_ms for row in rows])


def fitted(metadata: Metadata, table: Path) -> Metadata:
    """Fits the predictor of a table, stores it beside the table and returns the metadata with the
    noise of a measurement and, with networks enough, the error on networks left out."""
    rows = read_table(table)
    _store(fit_rows(rows, metadata.lowering), metadata, table)
    noise = None
    if metadata.provenance == "measured":
        noise = round(float(np.median([row.spread for row in rows])), 5)
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    error = None
    if len(networks) >= FEWEST_NETWORKS:
        left_out = cross_validate(rows, networks, metadata.lowering)
        off = _wrong(rows, networks, left_out.logs, metadata.lowering)
        for i in off:
            row = rows[networks[i]]
            warnings.warn(
                f"table {table}: row {networks[i] + 2}: {row.latency_ms:g} ms is "
                f"{np.exp(-left_out.logs[i]):.2g} times what the other rows make likely; the "
                "stated error leaves it out",
                NasWarning,
                stacklevel=2,
            )
        logs, doubts = (np.delete(values, off) for values in left_out)
        error = error_of(logs, f"{FOLDS}-fold over networks", rows=len(rows))
        usual = interval_factor(logs / doubts)
        error = error.model_copy(update={"interval_factor": usual})
    return metadata.model_copy(update={"noise": noise, "error": error})


def cross_validate(
    rows: Sequence[TableRow], networks: Sequence[int], lowering: Lowering
) -> LeftOut:
    """Of the networks among the rows by fits to all other rows but those of a fifth of the networks
    each: errors, and how doubtful each was. The same table gives the same folds."""
    samples = _samples(rows, lowering)
    order = np.random.default_rng(0).permutation(len(networks))
    logs, doubts = np.empty(len(networks)), np.empty(len(networks))
    for fold in range(FOLDS):
        left_out = order[fold::FOLDS]
        hidden = {networks[i] for i in left_out}
        predictor = _fit([s for i, s in enumerate(samples) if i not in hidden])
        for i in left_out:
            sample = samples[networks[i]]
            trace = predictor.trace(sample.kernels)
            logs[i] = np.log((predictor.constant_ms + sum(trace[0])) / sample.latency_ms)
            doubts[i] = predictor.doubtful(trace)
    return LeftOut(logs, doubts)


def _wrong(
    rows: Sequence[TableRow], networks: Sequence[int], logs: Vector, lowering: Lowering
) -> list[int]:
    """Which of the networks are far off by themselves, given `logs` by `cross_validate`: without
    the farthest, which fits of the others may have followed, the others are judged anew."""
    off: list[int] = []
    here = list(range(len(networks)))
    while far := far_off(logs):
        farthest = max(far, key=lambda i: abs(logs[i] - np.median(logs)))
        off.append(here.pop(farthest))
        if len(far) == 1:
            break
        left = [i for i in range(len(rows)) if not any(i == networks[j] for j in off)]
        place = {row: i for i, row in enumerate(left)}
        there = [place[networks[j]] for j in here]
        logs = cross_validate([rows[i] for i in left], there, lowering).logs
    return sorted(off)


def fit_rows(rows: Sequence[TableRow], lowering: Lowering) -> Predictor:
    """The predictor that fits the rows best."""
    return _fit(_samples(rows, lowering))


def _samples(rows: Sequence[TableRow], lowering: Lowering) -> list[Sample]:
    return [
        Sample(r.subject.kernels(lowering), r.latency_ms, r.subject.kind == "network") for r in rows
    ]


def _fit(samples: Sequence[Sample]) -> Predictor:
    some = samples[:PRICED]
    try:
        base = Additive(fit_prices([s.kernels for s in some], [s.latency_ms for s in some]))
        corrections, constant = fit_corrections(samples, base)
    except (ArithmeticError, ValueError, RuntimeError) as error:  # of the linear algebra
        raise NasError(f"the rows of the table cannot be fitted: {error}") from None
    exact = Predictor(constant, base, corrections)
    rounded = Predictor.of_facts(exact.facts())  # as it will be when it is read again
    doubtful = rounded._replace(doubt=_doubt(samples, rounded))
    return Predictor.of_facts(doubtful.facts())


def _doubt(samples: Sequence[Sample], predictor: Predictor) -> Doubt:
    """What the samples leave open, by which the predictor was fitted."""
    kernels, counts = counted(samples)
    known = Columns.of(kernels)
    factors, waves = predictor.corrections.corrected(known, WAVES)
    ms = predictor.base.kernels_ms(known) * factors
    total = counts @ ms + predictor.constant_ms
    weights = importances(samples, np.log(total / [s.latency_ms for s in samples]))
    rows = (counts @ (ms[:, None] * waves)) / total[:, None]
    return Doubt.of(rows, weights, [s.network for s in samples])


def _store(predictor: Predictor, metadata: Metadata, table: Path) -> None:
    facts = predictor.facts()
    data = {**_stamp(metadata, table), OWN: _own(facts), **facts}
    write_whole(_fit_file(table), json.dumps(data, indent=0))


def _stored(metadata: Metadata, table: Path) -> Predictor | None:
    """The predictor beside the table, if there is one, it is of this table and as it was written.

    Warns where it is not as it was written.
    """
    path, stamp = _fit_file(table), _stamp(metadata, table)
    if not path.exists():
        return None
    try:
        data = json.loads(read_text(path, f"fit {path}"))
        if not isinstance(data, dict):
            raise NasError(f"fit {path}: must be an object")
        if OWN not in data or not stamp.items() <= data.items():
            return None
        numbers = {key: value for key, value in data.items() if key not in (*stamp, OWN)}
        predictor = read_facts(numbers, f"fit {path}")
        if _own(numbers) != data[OWN]:
            raise NasError(f"fit {path}: its numbers are not those that were fitted")
        return predictor
    except (ValueError, RecursionError) as error:
        said = error if isinstance(error, NasError) else f"fit {path}: damaged: {error}"
        warnings.warn(f"{said}; fitting anew", NasWarning, stacklevel=2)
        return None


def _stamp(metadata: Metadata, table: Path) -> dict[str, object]:
    """What a fit depends on."""
    checksum = sha256(read_bytes(table, f"table {table}")).hexdigest()
    return {"version": VERSION, "lowering": metadata.lowering, "table_sha256": checksum}


def _own(facts: Mapping[str, Any]) -> str:
    """The checksum of a fit's own numbers."""
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _fit_file(table: Path) -> Path:
    return table.with_suffix(".fit.json")
