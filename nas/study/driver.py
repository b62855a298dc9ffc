"""The driver: asks in memory, evaluates through an executor, appends each finished trial once."""

from __future__ import annotations

import signal
import time
from collections import ChainMap
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import NamedTuple

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.errors import NasError
from nas.proxies import Combiner, evaluate
from nas.study.candidates import Candidate
from nas.study.executors import InlineExecutor
from nas.study.samplers import BudgetSampler, recall
from nas.study.storage import DIRECTIONS
from nas.study.study import Record, Study, pareto, record_of

REFERENCE_SIZE = 64
MAX_REPEATS = 20
FAILURES = (NasError, RuntimeError, ArithmeticError, MemoryError)


class Progress(NamedTuple):
    """How far a search is. `seconds_left` is None until there is a rate to judge by."""

    phase: str
    trials: int
    goal: int
    feasible: int
    failed: int
    best: Record | None
    front: int
    per_second: float
    seconds_left: float | None


class Asked(NamedTuple):
    trial: optuna.Trial
    candidate: Candidate


Report = Callable[[Progress], None]


class Driver:
    """Runs one study in this process, with up to `slots` evaluations at a time in `executor`."""

    def __init__(
        self,
        study: Study,
        executor: Executor | None = None,
        slots: int = 1,
        report: Report = lambda progress: None,
    ) -> None:
        self.study, self.slots, self.report = study, slots, report
        self.executor = executor or InlineExecutor()
        self.stopping = False
        self._records = study.records()
        stored = study.trials()
        self._memory = optuna.create_study(directions=DIRECTIONS)
        self._memory.add_trials(stored)
        recall(self._memory, study.settings.sampler)
        self._scores = {t.user_attrs.get("hash"): _outcome(t) for t in stored}
        self._waiting: dict[str, tuple[Future[dict[str, float]], Asked]] = {}
        self._asked = len(stored)
        self._repeats = 0
        self._front = pareto(self._records)
        self._best = max(self._records, key=lambda r: r.score, default=None)
        self._failed = len(stored) - len(self._records)
        self._started, self._begun_with = time.monotonic(), len(stored)
        self._combiner: Combiner | None = None
        self._goal = 0

    def run(self, goal: int) -> str:
        """Runs until the study holds `goal` finished trials; says why it ended.

        The answer is "finished", "interrupted" (SIGINT or SIGTERM: what was running is finished
        first) or "exhausted" (nothing but repeats is proposed any more).
        """
        self._goal = goal
        with self.study.storage.held(self.study.name), self._stop_on_signal():
            if len(self.study.trials()) != self._finished:
                raise NasError(
                    f"study '{self.study.name}' has just gone on elsewhere: resume again"
                )
            self._combiner = self.study.combiner() or self._reference()
            if self._combiner is None:
                return "interrupted"
            self._started, self._begun_with = time.monotonic(), self._finished
            while True:
                while self._may_ask:
                    self._ask()
                if not self._waiting:
                    break
                self._collect()
        if self.stopping:
            return "interrupted"
        return "finished" if self._finished >= goal else "exhausted"

    @property
    def _may_ask(self) -> bool:
        running = len(self._waiting)
        wanted = running < self.slots and self._finished + running < self._goal
        return wanted and not self.stopping and self._repeats < MAX_REPEATS

    @property
    def _finished(self) -> int:
        return len(self._records) + self._failed

    def _reference(self) -> Combiner | None:
        """Scores a sample of random feasible networks, which the combined score is relative to."""
        settings, candidates = self.study.settings, self.study.candidates
        rng = np.random.default_rng((settings.seed, 0))
        reference: list[dict[str, float]] = []
        for _ in range(4 * REFERENCE_SIZE):
            if self.stopping:
                return None
            self._report("reference sample", len(reference), REFERENCE_SIZE)
            candidate = candidates.feasible({}, rng)
            if candidate is None:
                continue
            future = self.executor.submit(evaluate, candidate.arch, settings.proxies, settings.seed)
            if not isinstance(future.exception(), FAILURES):
                reference.append(future.result())
            if len(reference) == REFERENCE_SIZE:
                return self.study.set_reference(reference)
        raise NasError("the proxies are undefined for most networks of the space")

    def _ask(self) -> None:
        settings, candidates = self.study.settings, self.study.candidates
        seen: ChainMap[str, object] = ChainMap({}, self._scores, self._waiting)  # type: ignore[arg-type]
        sampler = BudgetSampler(settings.sampler, settings.seed, self._asked, candidates, seen)
        self._memory.sampler = sampler
        trial = self._memory.ask(candidates.space.distributions)
        self._asked += 1
        # Optuna leaves a sampler out where there is nothing to choose.
        candidate = sampler.candidate or sampler.propose({})
        key = candidate.arch.hash
        if key in seen:  # a repeat is no trial
            self._repeats += 1
            self._memory.tell(trial, state=TrialState.FAIL)
            return
        self._repeats = 0
        future = self.executor.submit(evaluate, candidate.arch, settings.proxies, settings.seed)
        self._waiting[key] = (future, Asked(trial, candidate))

    def _collect(self) -> None:
        done, _ = wait([future for future, _ in self._waiting.values()], None, FIRST_COMPLETED)
        for key, (future, asked) in list(self._waiting.items()):
            if future not in done:
                continue
            error = future.exception()
            if error is not None and not isinstance(error, FAILURES):
                raise error
            outcome = str(error) or repr(error) if error else future.result()
            self._scores[key] = outcome
            del self._waiting[key]
            self._tell(asked, outcome)

    def _tell(self, asked: Asked, outcome: dict[str, float] | str) -> None:
        """Tells memory, then appends to the storage; `outcome` is the scores or a reason."""
        trial, candidate = asked
        for name, value in self._attributes(candidate, outcome).items():
            trial.set_user_attr(name, value)
        for budget in self.study.budgets:
            trial.set_constraint(budget.text, candidate.value(budget.measure) - budget.limit)
        if isinstance(outcome, str):
            frozen = self._memory.tell(trial, state=TrialState.FAIL)
        else:
            assert self._combiner is not None
            score = self._combiner.score(outcome)
            frozen = self._memory.tell(trial, [score, candidate.latency.ms])
        self._persist(frozen)

    @staticmethod
    def _attributes(candidate: Candidate, outcome: dict[str, float] | str) -> dict[str, object]:
        latency, cost = candidate.latency, candidate.cost
        result = {"reason": outcome} if isinstance(outcome, str) else {"scores": outcome}
        return {
            "hash": candidate.arch.hash,
            "architecture": candidate.arch.to_dict(),
            "macs": cost.macs,
            "params": cost.params,
            "peak_bytes": cost.peak_bytes,
            "latency_ms": latency.ms,
            "latency_interval_ms": [latency.low_ms, latency.high_ms],
            **result,
        }

    def _persist(self, trial: FrozenTrial) -> None:
        self.study.optuna.add_trial(
            create_trial(
                state=trial.state,
                values=trial.values,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs=trial.user_attrs,
                system_attrs=trial.system_attrs,
            )
        )
        if trial.state == TrialState.FAIL:
            self._failed += 1
        else:
            record = record_of(trial)
            self._records.append(record)
            self._front = pareto([*self._front, record])
            if self._best is None or record.score > self._best.score:
                self._best = record
        self._report("search", self._finished, self._goal)

    def _report(self, phase: str, done: int, goal: int) -> None:
        elapsed = time.monotonic() - self._started
        fresh = done - (self._begun_with if phase == "search" else 0)
        rate = fresh / elapsed if elapsed > 0 else 0.0
        self.report(
            Progress(
                phase=phase,
                trials=done,
                goal=goal,
                feasible=len(self._records),
                failed=self._failed,
                best=self._best,
                front=len(self._front),
                per_second=rate,
                seconds_left=(goal - done) / rate if rate > 0 else None,
            )
        )

    @contextmanager
    def _stop_on_signal(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM lets what is running finish; a second one raises."""
        if current_thread() is not main_thread():
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            if self.stopping:
                raise KeyboardInterrupt
            self.stopping = True

        before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _outcome(trial: FrozenTrial) -> dict[str, float] | str:
    attributes = trial.user_attrs
    outcome: dict[str, float] | str = attributes.get("scores") or attributes.get("reason", "")
    return outcome
