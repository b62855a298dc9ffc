"""From timings to rows: the machine's drift undone, the sessions of a model put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .timing import Model


class Row(NamedTuple):
    """A row of the table."""

    kind: str
    spec: str
    latency_ms: float
    spread: float
    visits: int


class Watch:
    """Notices when the machine is slower than it can be, by models that are timed all the time."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = models
        self._best = [float("inf")] * len(models)

    def slowness(self) -> float:
        """By how much models take longer now, or took when they were last visited, than they ever
        did, as a fraction."""
        before = [model.last_visit for model in self._models]
        return max(self._slower(before), self._slower([m.seconds() for m in self._models]))

    def _slower(self, seconds: list[float]) -> float:
        """That of the second slowest model: any one may be disturbed by chance."""
        self._best = [min(pair) for pair in zip(self._best, seconds)]
        return sorted(now / best - 1 for now, best in zip(seconds, self._best))[-2:][0]


def merged(rows: Iterable[Row]) -> list[Row]:
    """Each model once: the mean of its sessions, and the error of that mean."""
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

    The anchors are timed in every batch, whose latencies are scaled by the median of what each
    anchor usually takes over what it took here: one disturbed anchor spoils no batch. Usual is what
    the table says already, in a new one the median of the batches.
    """

    def __init__(self, usual_ms: list[float]) -> None:
        self._usual = usual_ms
        self._batches: list[tuple[list[Row], list[Row]]] = []

    def add(self, anchors: list[Row], rows: list[Row]) -> None:
        """A batch as it was timed."""
        self._batches.append((anchors, rows))

    @property
    def count(self) -> int:
        """How many rows were added."""
        return sum(len(rows) for _, rows in self._batches)

    @property
    def drift(self) -> float:
        """By how much the slowest batch took longer than the fastest one, as a fraction."""
        scales = self._scales()
        return max(scales) / min(scales) - 1 if scales else 0.0

    def rows(self) -> list[Row]:
        """All rows that were added, without drift; the anchors once, and only if they are new."""
        found: list[Row] = []
        if not self._usual:
            found = [
                row._replace(latency_ms=ms)
                for row, ms in zip(self._batches[0][0], self._usual_ms())
            ]
        for scale, (_, rows) in zip(self._scales(), self._batches):
            found += [row._replace(latency_ms=row.latency_ms * scale) for row in rows]
        return found

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
