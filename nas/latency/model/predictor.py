"""The learned predictor of a measured target: a price of work times a correction per kernel.

    network ms = constant + sum over kernels of price of its work * correction(kernel)

Whole networks and blocks of a table are fitted jointly, as sums of kernels. The result is positive
and additive; it is plain numbers in TARGET.fit.json, stamped with the table's checksum.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import Lowering
from nas.latency.metadata import Metadata
from nas.latency.model.basis import Additive, Vector
from nas.latency.model.corrections import VERSION, Corrections, Sample, fit_corrections
from nas.latency.model.error import error_of
from nas.latency.model.prices import fit_prices
from nas.latency.table import TableRow, read_table
from nas.support.errors import NasError
from nas.support.files import write_whole

FOLDS = 5
FEWEST_NETWORKS = 10  # below that nothing can be said of the error
PRICED = 300  # rows that are enough to price a dozen kinds of work
DIGITS = 6  # of a number in a file


class Predictor(NamedTuple):
    """Predicts kernels: what the `base` says of their work, corrected."""

    constant_ms: float
    base: Additive
    corrections: Corrections

    def kernels_ms(self, kernels: Sequence[Kernel]) -> list[float]:
        """The latency of each kernel in ms, rounded so that it does not depend, in its last digit,
        on the other kernels."""
        factors = self.corrections.factors(kernels).tolist()
        latencies = (self.base.kernel_ms(k) * f for k, f in zip(kernels, factors, strict=True))
        return [float(f"{ms:.{DIGITS}g}") for ms in latencies]

    def facts(self) -> dict[str, Any]:
        """Its numbers, as plain data."""
        operations, linear, weights = self.corrections
        return {
            "constant_ms": float(f"{self.constant_ms:.{DIGITS}g}"),
            "base": dict(self.base.weights),
            "operations": list(operations),
            "linear": [_short(row) for row in linear],
            "weights": _short(weights),
        }

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Predictor:
        """What `facts` says. Errors: `KeyError`, `TypeError` or `ValueError`."""
        linear, weights = (np.array(facts[key], np.float64) for key in ("linear", "weights"))
        corrections = Corrections(tuple(facts["operations"]), linear, weights)
        return cls(float(facts["constant_ms"]), Additive(facts["base"]), corrections)


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


def fitted(metadata: Metadata, table: Path) -> Metadata:
    """Fits the predictor of a table, stores it beside the table and returns the metadata with the
    noise of the measurement and, with networks enough, the error on networks left out."""
    rows = read_table(table)
    _store(fit_rows(rows, metadata.lowering), metadata, table)
    noise = round(float(np.median([row.spread for row in rows])), 5)
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    error = None
    if len(networks) >= FEWEST_NETWORKS:
        logs = cross_validate(rows, networks, metadata.lowering)
        error = error_of(logs, f"{FOLDS}-fold over networks", rows=len(rows))
    return metadata.model_copy(update={"noise": noise, "error": error})


def cross_validate(rows: Sequence[TableRow], networks: Sequence[int], lowering: Lowering) -> Vector:
    """Log (predicted / measured) of the networks among the rows, by fits to all other rows but
    those of a fifth of the networks each. The same table gives the same folds."""
    samples = _samples(rows, lowering)
    order = np.random.default_rng(0).permutation(len(networks))
    logs = np.empty(len(networks))
    for fold in range(FOLDS):
        left_out = order[fold::FOLDS]
        hidden = {networks[i] for i in left_out}
        predictor = _fit([s for i, s in enumerate(samples) if i not in hidden])
        for i in left_out:
            sample = samples[networks[i]]
            ms = predictor.constant_ms + sum(predictor.kernels_ms(sample.kernels))
            logs[i] = np.log(ms / sample.latency_ms)
    return logs


def fit_rows(rows: Sequence[TableRow], lowering: Lowering) -> Predictor:
    """The predictor that fits the rows best."""
    return _fit(_samples(rows, lowering))


def _samples(rows: Sequence[TableRow], lowering: Lowering) -> list[Sample]:
    return [
        Sample(r.subject.kernels(lowering), r.latency_ms, r.subject.kind == "network") for r in rows
    ]


def _fit(samples: Sequence[Sample]) -> Predictor:
    some = samples[:PRICED]
    base = Additive(fit_prices([s.kernels for s in some], [s.latency_ms for s in some]))
    corrections, constant = fit_corrections(samples, base)
    exact = Predictor(constant, base, corrections)
    return Predictor.of_facts(exact.facts())  # as it will be when it is read again


def _store(predictor: Predictor, metadata: Metadata, table: Path) -> None:
    data = {**_stamp(metadata, table), **predictor.facts()}
    write_whole(_fit_file(table), json.dumps(data, indent=0))


def _stored(metadata: Metadata, table: Path) -> Predictor | None:
    """The predictor beside the table, if there is one and it is of this table."""
    try:
        data = json.loads(_fit_file(table).read_text(encoding="utf-8"))
        fresh = _stamp(metadata, table).items() <= data.items()
        return Predictor.of_facts(data) if fresh else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _stamp(metadata: Metadata, table: Path) -> dict[str, object]:
    """What a fit depends on."""
    checksum = sha256(table.read_bytes()).hexdigest()
    return {"version": VERSION, "lowering": metadata.lowering, "table_sha256": checksum}


def _fit_file(table: Path) -> Path:
    return table.with_suffix(".fit.json")


def _short(values: Vector) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
