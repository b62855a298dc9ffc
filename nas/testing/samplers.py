"""The contract of a sampler."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.space import SearchSpace
from nas.study import Driver, Study, begin
from nas.study.quiet import quiet
from nas.study.samplers import SAMPLERS
from nas.study.samplers.history import History
from nas.support.errors import NasError, mistakes_of
from nas.testing.claims import claim, faults

# A real space and analytic proxies: a trial takes milliseconds.
OPTIONS: dict[str, Any] = {
    "target": "cpu",
    "budgets": ["15MFLOPs"],
    "objectives": ["latency", "memory"],
    "proxies": ["width"],
}
SCREENED = 4


def check_sampler(name: str, trials: int = 24, space: SearchSpace | str = "small") -> None:
    """Checks a registered sampler in searches of `trials` trials each. One that takes long over a
    proposal is checked sooner in a space of few options.

    Made twice from the same seed, ancestors and history it proposes the same options of the space,
    with values that they have; a search that is interrupted goes on as if it had not been; one
    without any success yet, or with a single objective, runs too. What it is registered with holds:
    it takes a cascade unless it says that it takes none, and with `generations` it needs nothing
    that the search forgets (give more `trials` than two of its populations to see that). Errors:
    `AssertionError`; `NasError` for a name that is not registered.
    """
    entry = SAMPLERS[name]
    with faults(), TemporaryDirectory() as folder:
        begun = partial(_begun, Path(folder), sampler=name, space=space)
        whole = _searched(begun("whole"), [trials])
        parts = _searched(begun("parts"), [1, trials // 2, trials])
        _check_equal(whole, parts, f"sampler '{name}': a search that was interrupted")
        _check_proposal(name, whole, whole.trials())
        _check_proposal(name, whole, [_failed(trial) for trial in whole.trials()])
        _check_proposal(name, whole, [])
        _searched(begun("single", objectives=["macs"]), [4])
        _check_cascade(begun, name, entry.cascade is not None)
        if entry.generations:
            remembering = begun("remembering")
            driver = Driver(remembering)
            driver._history = History(
                remembering.directions, entry._replace(generations=False), remembering.frozen
            )
            driver.run(len(remembering.warm_start) + trials)
            _check_equal(remembering, whole, f"sampler '{name}': a search that forgets")


def _begun(folder: Path, study: str, sampler: str, **more: Any) -> Study:
    given = {"cascade": 1, **OPTIONS, **more}
    return begin(**given, sampler=sampler, storage=str(folder), name=study)


def _searched(study: Study, goals: list[int]) -> Study:
    """The study after runs to each of the goals, each run as in a new process. What a search begins
    with, before any sampler is asked, does not count."""
    first, where = len(study.warm_start), study.storage.location
    for goal in goals:
        ended = Driver(Study.load(study.name, where)).run(first + goal)
        sampler = study.settings.sampler
        claim(ended == "finished", f"sampler '{sampler}': a search of {goal} trials is {ended}")
    return Study.load(study.name, where)


def _check_equal(one: Study, other: Study, what: str) -> None:
    for a, b in zip(one.trials(), other.trials(), strict=True):
        same = (a.number, a.params, a.values) == (b.number, b.params, b.values)
        claim(same, f"{what} proposes {b.params} for trial {b.number}, not {a.params}")


def _check_cascade(begun: Callable[..., Study], name: str, taken: bool) -> None:
    if taken:
        _searched(begun("screened", cascade=SCREENED), [3])
        return
    try:
        begun("screened", cascade=SCREENED)
    except NasError:
        return
    claim(False, f"sampler '{name}' takes no cascade, but a search with one begins")


def _check_proposal(name: str, study: Study, history: list[FrozenTrial]) -> None:
    first, again = (_proposed(name, study, history) for _ in range(2))
    after = f"sampler '{name}' after {len(history)} trials"
    claim(first == again, f"{after} proposes {first}, but then {again} from the same seed")
    space = study.space.options
    for option, value in study.space.snap(first).items():
        off = abs(value - first[option]) if isinstance(value, int | float) else 0
        claim(off < 1e-6, f"{after} proposes {option}={first[option]!r}, none of {space[option]}")


def _proposed(name: str, study: Study, history: list[FrozenTrial]) -> dict[str, Any]:
    """What the sampler proposes for the trial after a history; what it leaves open is missing."""
    entry = SAMPLERS[name]
    made = entry.made(7, study.reference_trials)
    with quiet():
        told = optuna.create_study(directions=study.directions, sampler=RandomSampler(seed=0))
    told.add_trials(history)
    number = told.ask().number
    trial = told.get_trials()[number]
    with mistakes_of(f"sampler '{name}'", entry.make):
        made.before_trial(told, trial)
        chosen = made.sample_relative(told, trial, study.space.distributions)
    return entry.checked(chosen, study.space.options)


def _failed(trial: FrozenTrial) -> FrozenTrial:
    return create_trial(
        state=TrialState.FAIL,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
    )
