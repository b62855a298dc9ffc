"""The learned predictor: the device model times a correction per kernel.

    kernel ms = device model(kernel) * exp(weights of its operation . features(kernel))

Kernels, blocks and whole networks of a table are fitted jointly, as sums of kernels. The result is
positive and additive, and it is two small tables of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from math import exp
from pathlib import Path

import numpy as np

from nas.latency.corrections import CLIP, Corrections, features, fit_corrections
from nas.latency.device_model import Coefficients, Sample, Vector, Work, fit, kernel_ms
from nas.latency.judge import error_of
from nas.latency.kernels import Kernel
from nas.latency.metadata import Metadata
from nas.latency.table import TableRow, read_table

FOLDS = 5
FEWEST_NETWORKS = 10  # below that nothing can be said of the error
STRENGTH = 0.02  # a table has many rows: the prior only keeps what they do not show in bounds

# An ordinary core: what a table says nothing about stays there.
PRIOR = {
    "constant": 0.01,
    "launch": 0.002,
    "copy_launch": 0.002,
    "conv_rate": 40.0,
    "pointwise_rate": 40.0,
    "depthwise_rate": 20.0,
    "grouped_rate": 20.0,
    "linear_rate": 10.0,
    "bandwidth": 20.0,
    "depthwise_bandwidth": 20.0,
    "linear_bandwidth": 10.0,
    "copy_bandwidth": 5.0,
}


class Predictor:
    """Predicts kernels. `coefficients`: of the device model; `corrections`: weights by operation,
    none for an operation that is not corrected."""

    def __init__(
        self,
        coefficients: Coefficients,
        corrections: Mapping[str, Sequence[float]],
        value_bytes: int,
    ) -> None:
        self.coefficients = coefficients
        self.corrections = corrections
        self.value_bytes = value_bytes

    @property
    def constant_ms(self) -> float:
        """The latency of an empty network."""
        return self.coefficients["constant"]

    def kernel_ms(self, kernel: Kernel) -> float:
        """The latency of one kernel in ms."""
        ms = kernel_ms(kernel, self.coefficients, self.value_bytes)
        weights = self.corrections.get(kernel.op)
        if not weights:
            return ms
        log = sum(w * x for w, x in zip(weights, features(kernel), strict=True))
        return ms * exp(min(max(log, -CLIP), CLIP))


def table_predictor(metadata: Metadata, table: Path) -> Predictor:
    """The predictor of a measured target: as stored, or fitted anew where the table has changed.

    Errors: `NasError` naming the table, the row and the rule it breaks.
    """
    if metadata.table_sha256 != _digest(table):
        metadata = _with_fit(metadata, read_table(table))
    return Predictor(metadata.coefficients, metadata.corrections, metadata.value_bytes)


def fitted(metadata: Metadata, table: Path) -> Metadata:
    """The metadata with what its table says: the noise of the measurement, the fitted predictor
    and, with networks enough, its error on networks that were left out."""
    rows = read_table(table)
    noise = round(float(np.median([row.spread for row in rows])), 5)
    update = {"noise": noise, "table_sha256": _digest(table), "error": None}
    metadata = _with_fit(metadata, rows).model_copy(update=update)
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    if len(networks) < FEWEST_NETWORKS:
        return metadata
    logs = cross_validate(rows, networks, metadata.value_bytes)
    error = error_of(logs, f"{FOLDS}-fold over networks", rows=len(rows))
    return metadata.model_copy(update={"error": error})


def cross_validate(rows: Sequence[TableRow], networks: Sequence[int], value_bytes: int) -> Vector:
    """Log (predicted / measured) of the networks among the rows, by fits to all other rows but
    those of a fifth of the networks each. The same table gives the same folds."""
    order = np.random.default_rng(0).permutation(len(networks))
    logs = np.empty(len(networks))
    for fold in range(FOLDS):
        left_out = order[fold::FOLDS]
        hidden = {networks[i] for i in left_out}
        kept = [row for i, row in enumerate(rows) if i not in hidden]
        coefficients, corrections = _fit(kept, value_bytes)
        predictor = Predictor(coefficients, corrections, value_bytes)
        for i in left_out:
            row = rows[networks[i]]
            ms = sum(map(predictor.kernel_ms, row.subject.kernels())) + predictor.constant_ms
            logs[i] = np.log(ms / row.latency_ms)
    return logs


def _with_fit(metadata: Metadata, rows: Sequence[TableRow]) -> Metadata:
    coefficients, corrections = _fit(rows, metadata.value_bytes)
    return metadata.model_copy(update={"coefficients": coefficients, "corrections": corrections})


def _fit(rows: Sequence[TableRow], value_bytes: int) -> tuple[dict[str, float], Corrections]:
    samples = [Sample(row.subject.kernels(), row.latency_ms) for row in rows]
    alone = np.array([row.subject.kind != "network" for row in rows])
    coefficients = {
        name: float(f"{value:.6g}")
        for name, value in fit(samples, value_bytes, PRIOR, STRENGTH).items()
    }
    return coefficients, fit_corrections(Work(samples, value_bytes), coefficients, alone)


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
