"""The driver: asks in memory, evaluates through an executor, appends each finished trial once."""

from __future__ import annotations

import time
from collections import ChainMap, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any, NamedTuple

import numpy as np
from optuna.trial import TrialState, create_trial

from nas.study.candidates import Candidate
from nas.study.optuna_private import stored_since
from nas.study.progress import SearchReport, Tally
from nas.study.samplers.budget import BudgetSampler
from nas.study.samplers.history import History
from nas.study.samplers.registry import SAMPLERS
from nas.study.scoring import Outcome, Scorer
from nas.study.study import Study
from nas.study.workers.executors import InlineExecutor, Slots, WorkersLost
from nas.support.errors import NasError
from nas.support.signals import stop_on_signal

REFERENCE_SIZE = 64
MAX_REPEATS = 20
FAILURES = (NasError, RuntimeError, ArithmeticError, MemoryError)

# What an evaluation found, or the reason why it failed.
Result = Outcome | str


class Asked(NamedTuple):
    """A candidate that is being evaluated, what its sampler noted on the trial, and the name of a
    hand-scaled network."""

    candidate: Candidate
    notes: dict[str, Any]
    like: str | None
    future: Future[Outcome]


class Driver:
    """A run of one study in this process, with up to `slots` evaluations at a time in `executor`.

    Other drivers may run the same study at the same time. Each has random numbers of its own, sees
    what the others have finished whenever it stores a result, and drops one that is there by then.
    """

    def __init__(
        self,
        study: Study,
        executor: Executor | None = None,
        slots: Slots = 1,
        report: SearchReport = lambda progress: None,
    ) -> None:
        self.study, self.report = study, report
        self.executor = executor or InlineExecutor()
        self.slots: Callable[[], int] = slots if callable(slots) else lambda: slots
        self.stopping = False
        self._history = History(study.directions, SAMPLERS[study.settings.sampler])
        self._tally = Tally(study.settings.objectives)
        self._stored: dict[str, int] = {}
        self._waiting: dict[str, Asked] = {}
        self._first = list(study.warm_start)
        self._read = self._repeats = self._dropped = self._goal = 0
        self._clock = time.monotonic()

    def run(self, goal: int) -> str:
        """Runs until the study holds `goal` finished trials, whoever ran them; says why it ended.

        The answer is "finished", "interrupted" (SIGINT or SIGTERM: what was running is finished
        first) or "exhausted" (nothing but repeats is proposed any more). Errors: `NasError`, also
        where there are no workers any more or the storage cannot be written any more.
        """
        self._goal = goal
        with self.study.storage.driven(self.study.name) as self._claim, stop_on_signal(self._stop):
            with self._claim.exclusive():
                self.study.refresh()
                self._read_stored()
            scorer = self._reference()
            if scorer is None:
                return "interrupted"
            self._tally.begin(len(self._history))
            self._lap()
            while True:
                while self._may_ask:
                    self._ask(scorer)
                if not self._waiting:
                    break
                self._collect(scorer)
        if self.stopping:
            return "interrupted"
        return "finished" if len(self._history) >= goal else "exhausted"

    @property
    def _may_ask(self) -> bool:
        running = len(self._waiting)
        wanted = running < self.slots() and len(self._history) + running < self._goal
        return wanted and not self.stopping and self._repeats < MAX_REPEATS

    def _read_stored(self) -> None:
        """Takes the trials that were stored since the last time, by whichever driver."""
        distributions = self.study.space.distributions
        with self.study.undamaged():
            for trial in stored_since(self.study.optuna, self._read):
                self._read += 1
                if not trial.state.is_finished():
                    continue
                if trial.distributions.keys() == distributions.keys():
                    trial.distributions = distributions  # each has a copy: most of a study's memory
                self._stored[trial.user_attrs.get("hash", "")] = trial.number
                trial = self.study.predictions.current(trial)
                self._history.add(trial)
                self._tally.add(trial)

    def _reference(self) -> Scorer | None:
        """Scores a sample of random feasible networks: a combined score and the hypervolume are
        relative to it, and evolution begins with it.

        It is the study's first driver's to be ready, and the same whatever the number of workers.
        None where the driver is to stop.
        """
        candidates = self.study.candidates
        rng = np.random.default_rng((self.study.settings.seed, 0))
        drawn = (candidates.feasible({}, rng) for _ in range(4 * REFERENCE_SIZE))
        networks = (candidate for candidate in drawn if candidate)
        running: deque[tuple[Candidate, Future[Outcome]]] = deque()
        reference: list[Outcome] = []
        scorer = self.study.reference_scorer()
        assignments: list[dict[str, Any]] = []
        while not self.stopping:
            with self._claim.exclusive():
                if known := self.study.scorer():
                    return known
                if len(reference) == REFERENCE_SIZE:
                    return self.study.set_reference(reference, assignments)
            self._report("reference sample", len(reference), REFERENCE_SIZE)
            missing = REFERENCE_SIZE - len(reference)
            while len(running) < min(self.slots(), missing) and (network := next(networks, None)):
                running.append((network, scorer.submit(self.executor, network.arch)))
            if not running:
                raise NasError("the score is undefined for most networks of the space")
            network, future = running.popleft()
            outcome = _outcome(future)
            if isinstance(outcome, dict):
                reference.append(outcome)
                assignments.append(network.assignment)
        return None

    def _ask(self, scorer: Scorer) -> None:
        asked = len(self._history) + len(self._waiting) + self._repeats + self._dropped
        # One stream of random numbers a driver and trial: two words of the seed.
        number = asked + (self._claim.number << 32)
        seen: ChainMap[str, object] = ChainMap({}, self._stored, self._waiting)  # type: ignore[arg-type]
        sampler = BudgetSampler(self.study, number, seen)
        notes = self._history.ask(sampler)
        candidate, like = self._warm_start(seen) or (sampler.candidate or sampler.propose({}), None)
        key = candidate.arch.hash
        if key in seen:  # a repeat is no trial
            self._repeats += 1
            return
        self._repeats = 0
        future = scorer.submit(self.executor, candidate.arch)
        self._waiting[key] = Asked(candidate, notes, like, future)

    def _warm_start(self, seen: ChainMap[str, object]) -> tuple[Candidate, str | None] | None:
        """The next of the networks that the study starts from, if it is not there yet, and its
        name where it has one."""
        while self._first:
            assignment, like = self._first.pop(0)
            candidate = self.study.candidates.make(assignment)
            if candidate.arch.hash not in seen:
                return candidate, like
        return None

    def _collect(self, scorer: Scorer) -> None:
        """Waits until something is evaluated, and stores what is."""
        done, _ = wait([a.future for a in self._waiting.values()], None, FIRST_COMPLETED)
        ready = [(key, asked) for key, asked in self._waiting.items() if asked.future in done]
        # What is evaluated is stored before the loss of the workers ends the search.
        ready.sort(key=lambda item: isinstance(item[1].future.exception(), WorkersLost))
        for key, asked in ready:
            outcome = _outcome(asked.future)
            del self._waiting[key]
            self._store(key, asked, outcome, scorer)

    def _store(self, key: str, asked: Asked, outcome: Result, scorer: Scorer) -> None:
        candidate = asked.candidate
        state, values, found = TrialState.FAIL, None, {"reason": outcome}
        if not isinstance(outcome, str):
            state, found = TrialState.COMPLETE, scorer.attributes(outcome)
            values = self.study.values(scorer.score(outcome), candidate)
        limits = {b.text: candidate.value(b.measure) - b.limit for b in self.study.budgets}
        trial = create_trial(
            state=state,
            values=values,
            params=candidate.assignment,
            distributions=self.study.space.distributions,
            user_attrs=_attributes(candidate, asked.like) | found | {"seconds": self._lap()},
            system_attrs=asked.notes,
            constraints=limits,
        )
        with self._claim.exclusive():
            self._read_stored()
            if key in self._stored:  # another driver was faster
                self._dropped += 1
                return
            self.study.optuna.add_trial(trial)
            self._read_stored()
        self._report("search", len(self._history), self._goal)

    def _lap(self) -> float:
        """The seconds since it was called last; a study's are those that its drivers worked."""
        before, self._clock = self._clock, time.monotonic()
        return self._clock - before

    def _report(self, phase: str, done: int, goal: int) -> None:
        self.report(self._tally.progress(phase, done, goal))

    def _stop(self) -> None:
        self.stopping = True


def _outcome(future: Future[Outcome]) -> Result:
    """The outcome of an evaluation. Errors: those that are not the candidate's."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, WorkersLost) or not isinstance(error, FAILURES):
        raise error
    return str(error) or repr(error)


def _attributes(candidate: Candidate, like: str | None) -> dict[str, object]:
    latency, cost = candidate.latency, candidate.cost
    return {
        "hash": candidate.arch.hash,
        "architecture": candidate.arch.to_dict(),
        "macs": cost.macs,
        "params": cost.params,
        "peak_bytes": cost.peak_bytes,
        "latency_ms": latency.ms,
        "latency_interval_ms": [latency.low_ms, latency.high_ms],
        **({"like": like} if like else {}),
    }
