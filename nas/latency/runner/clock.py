"""Makes rows from timings: undoes the machine's drift, and merges the sessions of a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .timing import Model


class Row(NamedTuple):
    """A row of the table: a model, its latency in ms and relative error, and the visits to it."""

    kind: str
    spec: str
    latency_ms: float
    spread: float
    visits: int


class Watch:
    """Notices when the machine is slower than it can be, from models that are timed all along."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = models
        self._best = [float("inf")] * len(models)

    def slowness(self) -> float:
        """The fraction by which models are slower than at their fastest: now or at their last
        visit, whichever is more."""
        before = [model.last_visit for model in self._models]
        return max(self._slower(before), self._slower([m.seconds() for m in self._models]))

    def _slower(self, seconds: list[float]) -> float:
        """The slowness of the second slowest model: any one may be disturbed by chance."""
        self._best = [min(pair) for pair in zip(self._best, seconds)]
        return sorted(now / best - 1 for now, best in zip(seconds, self._best))[-2:][0]


def merged(rows: Iterable[Row]) -> list[Row]:
    """One row for each model: the mean latency of its sessions, and the error of that mean."""
    sessions: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        sessions.setdefault(row[:2], []).append(row)
    return [_mean(own) if len(own) > 1 else own[0] for own in sessions.values()]


def _mean(rows: list[Row]) -> Row:
    logs, visits = np.log([row.latency_ms for row in rows]), [row.visits for row in rows]
    latency_ms = float(np.exp(np.average(logs, weights=visits)))
    spread = float(np.std(logs, ddof=1) / len(rows) ** 0.5)
    return Row(*rows[0][:2], latency_ms, spread, sum(visits))


class Clock:
    """Undoes the drift of the machine's speed from batch to batch.

    The anchors are timed in every batch. The batch's latencies are scaled by the median over the
    anchors of usual over measured latency, so one disturbed anchor spoils no batch. The usual
    latency is that in the table, or for a new table the median over batches.
    """

    def __init__(self, usual_ms: list[float]) -> None:
        self._usual = usual_ms
        self._batches: list[tuple[list[Row], list[Row]]] = []

    def add(self, anchors: list[Row], rows: list[Row]) -> None:
        """Adds the rows of a batch as they were timed."""
        self._batches.append((anchors, rows))

    @property
    def count(self) -> int:
        """The number of rows that were added, without anchors."""
        return sum(len(rows) for _, rows in self._batches)

    @property
    def drift(self) -> float:
        """The fraction by which the slowest batch took longer than the fastest one."""
        scales = self._scales()
        return max(scales) / min(scales) - 1 if scales else 0.0

    def rows(self) -> list[Row]:
        """All rows that were added, without drift; the anchors once, and only in a new table."""
        steady: list[Row] = []
        if not self._usual:
            steady = [
                row._replace(latency_ms=ms)
                for row, ms in zip(self._batches[0][0], self._usual_ms())
            ]
        for scale, (_, rows) in zip(self._scales(), self._batches):
            steady += [row._replace(latency_ms=row.latency_ms * scale) for row in rows]
        return steady

    def _usual_ms(self) -> list[float]:
        timed = [[row.latency_ms for row in anchors] for anchors, _ in self._batches]
        return self._usual or [float(ms) for ms in np.median(timed, axis=0)]

    def _scales(self) -> list[float]:
        if not self._batches:
            return []
        usual = self._usual_ms()
        return [
            float(np.median([ms / row.latency_ms for ms, row in zip(usual, anchors)]))
            for anchors, _ in self._batches
        ]
