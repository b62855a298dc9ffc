"""The driver: asks in memory, evaluates through an executor, appends each finished trial once."""

from __future__ import annotations

import time
from collections import ChainMap, deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from optuna.trial import TrialState, create_trial

from nas.study.candidates import Candidate
from nas.study.failures import Failures
from nas.study.families import named
from nas.study.progress import SearchReport, Tally
from nas.study.registered import check_registered
from nas.study.samplers.budget import BudgetSampler
from nas.study.samplers.history import History
from nas.study.samplers.registry import SAMPLERS
from nas.study.scoring import Outcome, Scorer
from nas.study.storage.log import Cursor
from nas.study.stored import TRIAL
from nas.study.study import Study
from nas.study.workers.executors import InlineExecutor, Slots, WorkersLost
from nas.support.errors import NasError
from nas.support.signals import stop_on_signal
from nas.support.threads import one_blas_thread

REFERENCE_SIZE = 64
MAX_REPEATS = 20
FAILURES = (NasError, RuntimeError, ArithmeticError, MemoryError)

# What an evaluation gave, or the reason why it failed.
Result = Outcome | str


class Asked(NamedTuple):
    """A candidate that is being evaluated, what its sampler noted on the trial, and the name of a
    hand-scaled network."""

    candidate: Candidate
    notes: dict[str, Any]
    like: str | None
    begun: datetime
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
        check_registered(study.settings, f"study '{study.name}'")
        self.study, self.report = study, report
        self.executor = executor or InlineExecutor()
        self.slots: Callable[[], int] = slots if callable(slots) else lambda: slots
        self.stopping = False
        self.before = 0  # trials that were there when it began to run
        sampler = SAMPLERS[study.settings.sampler]
        self._history = History(study.directions, sampler, study.frozen)
        self._stored: dict[str, None] = {}
        self._waiting: dict[str, Asked] = {}
        self._first = list(study.warm_start)
        self._cursor, self._tally = Cursor(), Tally(study.settings.objectives)
        self._repeats = self._dropped = self._goal = 0
        self._clock = time.monotonic()

    def run(self, goal: int | None = None, *, more: int = 0) -> str:
        """Runs until the study holds `goal` finished trials, whoever ran them; says why it ended.

        Without a goal it is those that are there and so many `more`.

        The answer is "finished", "interrupted" (SIGINT or SIGTERM: what is running is finished
        first, if that takes but seconds; see `stop_on_signal`) or "exhausted" (nothing but repeats
        is proposed any more). Errors: `NasError`, also where there are no workers any more or the
        storage cannot be written any more.
        """
        driven = self.study.storage.driven(self.study.name, lambda: self.stopping)
        try:
            with (
                stop_on_signal(self._stop),
                one_blas_thread(),
                driven as (self._claim, self._alone),
            ):
                self._alone(self.study.refresh)
                self._cursor, self._tally = self.study.followed()
                self._alone(self._read_stored)
                self.before = len(self._history)
                self._goal = self.before + more if goal is None else goal
                self._run()
        except KeyboardInterrupt:
            if not self.stopping:  # somebody else's
                raise
        if self.stopping:
            return "interrupted"
        return "finished" if len(self._history) >= self._goal else "exhausted"

    def _run(self) -> None:
        scorer = self._reference()
        if scorer is None:
            return
        self._alone(lambda: self.study.reference_trials)  # kept from here on
        self._tally.begin(len(self._history))
        self._lap()
        while True:
            while self._may_ask:
                self._ask(scorer)
            if not self._waiting:
                return
            self._collect(scorer)

    @property
    def _may_ask(self) -> bool:
        running = len(self._waiting)
        wanted = running < self.slots() and len(self._history) + running < self._goal
        return wanted and not self.stopping and self._repeats < MAX_REPEATS

    def _read_stored(self) -> None:
        """Takes the trials that were stored since the last time, by whichever driver."""
        for trial in self.study.stored(self._cursor):
            self._stored[trial.facts.get("hash", "")] = None
            self._history.add(trial)
            self._tally.add(trial, self.study.record_of)

    def _reference(self) -> Scorer | None:
        """Scores a sample of random feasible networks: a combined score and the hypervolume are
        relative to it, and evolution begins with it.

        It is the study's first driver's to be ready, and the same whatever the number of workers.
        Each network's proxies are stored as they come, and not computed again by whoever goes on.
        None where the driver is to stop.
        """
        # Whatever is read of the storage is read where a lost connection is waited for.
        drawn, sample = self._drawn(), self.study.sample
        known = self._alone(lambda: self.study.options and sample.drawn())
        sampler = self._alone(self.study.reference_scorer)
        running: deque[tuple[int, Candidate, Future[Outcome]]] = deque()
        reference: list[Outcome] = []
        assignments: list[dict[str, Any]] = []
        failures = Failures()
        while running or not self.stopping:
            if len(reference) < REFERENCE_SIZE:
                scorer: Scorer | None = self._alone(self.study.scorer)
            else:
                scorer = self._alone(lambda: self._complete(reference, assignments))
            if scorer is not None:
                return scorer
            self._report("reference sample", len(reference), REFERENCE_SIZE)
            missing = REFERENCE_SIZE - len(reference)
            while not self.stopping and len(running) < min(self.slots(), missing):
                following = next(drawn, None)
                if following is None:
                    break
                number, network = following
                if number in known and known[number].hash != network.arch.hash:
                    del known[number]
                scored = known[number].evaluated if number in known else None
                running.append((number, network, scored or self._submit(sampler, network)))
            if not running:
                if self.stopping:
                    break
                told = failures.told("random networks")
                raise NasError(f"the score is undefined for most networks of the space: {told}")
            number, network, future = running.popleft()
            outcome = _outcome(future)
            if number not in known and not self.study.predicts:
                self._alone(partial(sample.add, number, network.arch.hash, outcome))
            if isinstance(outcome, dict):
                reference.append(outcome)
                assignments.append(network.assignment)
            else:
                failures.add(outcome)
        return None

    def _drawn(self) -> Iterator[tuple[int, Candidate]]:
        """The random feasible networks that the reference sample begins with, numbered."""
        rng = np.random.default_rng((self.study.settings.seed, 0))
        for number in range(4 * REFERENCE_SIZE):
            if candidate := self.study.candidates.feasible({}, rng):
                yield number, candidate

    def _complete(self, reference: list[Outcome], assignments: list[dict[str, Any]]) -> Scorer:
        """Stores the reference sample, unless another driver has."""
        return self.study.scorer() or self.study.set_reference(reference, assignments)

    def _submit(self, scorer: Scorer, candidate: Candidate) -> Future[Outcome]:
        return scorer.submit(self.executor, candidate.arch)

    def _ask(self, scorer: Scorer) -> None:
        asked = len(self._history) + len(self._waiting) + self._repeats + self._dropped
        # One stream of random numbers a driver and trial: two words of the seed.
        number = asked + (self._claim.number << 32)
        seen: ChainMap[str, object] = ChainMap({}, self._stored, self._waiting)  # type: ignore[arg-type]
        sampler = BudgetSampler(self.study, self._history, number, seen)
        notes = self._history.ask(sampler)
        candidate, like = self._warm_start(seen) or (sampler.candidate or sampler.propose({}), None)
        key = candidate.arch.hash
        if key in seen:  # a repeat is no trial
            self._repeats += 1
            return
        self._repeats = 0
        begun = datetime.now()
        future = self._submit(scorer, candidate)
        self._waiting[key] = Asked(candidate, notes, like, begun, future)

    def _warm_start(self, seen: ChainMap[str, object]) -> tuple[Candidate, str | None] | None:
        """The next of the networks that the study starts from, if it is not there yet, and its
        name where it has one."""
        while self._first:
            assignment, like = self._first.pop(0)
            candidate = named(self.study.candidates, like or "", assignment)
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
        state, values = TrialState.FAIL, None
        noted: dict[str, Any] = {"reason": outcome}
        if not isinstance(outcome, str):
            state, noted = TrialState.COMPLETE, scorer.attributes(outcome)
            values = self.study.values(scorer.score(outcome), candidate)
        if asked.like:
            noted["like"] = asked.like
        facts = self.study.facts(candidate, values, noted) | {"seconds": self._lap()}
        trial = create_trial(
            state=state,
            values=values,
            user_attrs={TRIAL: facts},
            system_attrs=asked.notes,
            constraints=self.study.candidates.constraints(candidate),
        )
        trial.datetime_start, trial.datetime_complete = asked.begun, datetime.now()

        def store() -> bool:
            self._read_stored()
            if key in self._stored:  # another driver was faster
                return False
            self.study.log.add(trial)
            self._read_stored()
            return True

        if self._alone(store):
            self._report("search", len(self._history), self._goal)
        else:
            self._dropped += 1

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
