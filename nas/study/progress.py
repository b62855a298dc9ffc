"""The progress of a search: counts, the best, the rate and what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import nan
from typing import NamedTuple

import numpy as np

from nas.study.best import best
from nas.study.failures import Failures
from nas.study.record import Record
from nas.study.stored import Stored, Time, utc


class SearchProgress(NamedTuple):
    """The state of a search. `seconds_left` is None until there is a rate to judge by."""

    phase: str
    trials: int
    goal: int
    feasible: int
    failed: int
    best: Record | None
    front: int
    per_second: float
    seconds_left: float | None


SearchReport = Callable[[SearchProgress], None]


class Tally:
    """The counts, the best, the Pareto front and the best network that was scaled by hand
    (`by_hand`) of the trials that were added, and why others failed; `changed` is when the last of
    them ended."""

    def __init__(self, objectives: Sequence[str]) -> None:
        self._objectives = objectives
        self.scored, self.failures = 0, Failures()
        self._changed: Time = None
        self.by_hand: Record | None = None
        self.front: list[Record] = []
        self._losses = np.empty((0, 1 + len(objectives)))  # of the front
        self.begin(0)

    def begin(self, done: int) -> None:
        """Starts the clock with so much done."""
        self._done = done
        self._first: tuple[float, int] | None = None  # when something was done first, and how much

    @property
    def failed(self) -> int:
        """The number of failed trials."""
        return self.failures.count

    @property
    def trials(self) -> int:
        """The number of finished trials, failed ones included."""
        return self.scored + self.failed

    @property
    def changed(self) -> str | None:
        """When the last trial ended, ISO 8601 in UTC."""
        return utc(self._changed)

    @property
    def best(self) -> Record | None:
        """The best by the rule of `nas.study.best`; it is in the front."""
        return best(self.front, self._objectives) if self.front else None

    def add(self, trial: Stored, record_of: Callable[[Stored], Record]) -> None:
        """Takes a finished trial; where it is of the front, as its record."""
        self._changed = trial.times[1] or self._changed
        if not trial.complete:
            self.failures.add(trial.facts.get("reason"))
            return
        self.scored += 1
        score, *costs = trial.values or [nan]
        if trial.facts.get("like") and (self.by_hand is None or score > self.by_hand.score):
            self.by_hand = record_of(trial)
        point = np.array([-score, *costs])
        if (self._losses <= point).all(axis=1).any():
            return
        kept = np.flatnonzero((self._losses < point).any(axis=1))
        self.front = [*(self.front[i] for i in kept), record_of(trial)]
        self._losses = np.vstack([self._losses[kept], point])

    def progress(self, phase: str, done: int, goal: int) -> SearchProgress:
        """The state of a phase of which `done` of `goal` are done.

        The rate is that since the first result, before which workers may have had to begin; what
        is left after the reference sample is not known while that is scored.
        """
        now = time.monotonic()
        if self._first is None and done > self._done:
            self._first = now, done
        since, begun = self._first or (now, done)
        rate = (done - begun) / (now - since) if now > since else 0.0
        return SearchProgress(
            phase=phase,
            trials=done,
            goal=goal,
            feasible=self.scored,
            failed=self.failed,
            best=self.best,
            front=len(self.front),
            per_second=rate,
            seconds_left=(goal - done) / rate if rate > 0 and phase == "search" else None,
        )
