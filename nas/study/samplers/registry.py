"""The registry of samplers: what proposes the next candidates of a search.

    @sampler("mine")
    def mine(seed: int, ancestors: Sequence[FrozenTrial]) -> BaseSampler: ...

A sampler is any sampler of Optuna's, made afresh for every trial from a seed of the trial's own
and from `ancestors`: the reference sample, as if it had been searched before the first trial. So
it keeps nothing between trials: what it proposes depends on the history alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from numbers import Real
from typing import Any, NamedTuple, TypeVar

from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from nas.support.errors import NasError, mistakes_of, one_of, shown
from nas.support.registry import Registry

Make = Callable[[int, Sequence[FrozenTrial]], BaseSampler]
M = TypeVar("M", bound=Make)


class Sampler(NamedTuple):
    """A registered sampler.

    cascade: how many proposals a trial screens unless the user says (1: no screening); None where
    it cannot be screened. generations: it is a genetic sampler of Optuna's (`BaseGASampler`), which
    notes on each trial its generation and reads no trial older than its generation's parents.
    memory: how many of the latest completed trials it reads, and its screen; None: all of them.
    """

    name: str
    make: Make
    cascade: int | None = 1
    generations: bool = False
    memory: int | None = None

    def made(self, seed: int, ancestors: Sequence[FrozenTrial]) -> BaseSampler:
        """A sampler for one trial. Errors: `NasError` where it cannot be made, or is none."""
        with mistakes_of(f"sampler '{self.name}'", self.make):
            made = self.make(seed, ancestors)
        if not isinstance(made, BaseSampler):
            raise NasError(f"sampler '{self.name}' makes {shown(made)}, no Optuna sampler")
        return made

    def checked(self, chosen: object, options: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """What it proposes, as it is: a number may still be off by rounding.

        Errors: `NasError` where it is no value of one of the `options`.
        """
        if not isinstance(chosen, dict):
            raise NasError(f"sampler '{self.name}' proposes {shown(chosen)}, no dict of options")
        for name, value in chosen.items():
            if name not in options:
                raise one_of(f"sampler '{self.name}': option", name, options)
            number = isinstance(value, Real) and isfinite(value)
            if number and all(isinstance(each, int | float) for each in options[name]):
                continue
            if value not in options[name]:
                allowed = ", ".join(map(str, options[name]))
                raise NasError(
                    f"sampler '{self.name}' proposes {name}={shown(value)}, none of {allowed}"
                )
        return chosen


SAMPLERS: Registry[Sampler] = Registry("sampler")


def sampler(
    name: str,
    *,
    cascade: int | None = 1,
    generations: bool = False,
    memory: int | None = None,
) -> Callable[[M], M]:
    """Registers a function or class that makes a sampler under `name`; see `Sampler`.

    Errors: `NasError` where the name is taken.
    """

    def register(make: M) -> M:
        entry = Sampler(name, make, cascade, generations, memory)
        SAMPLERS.register(name, entry, make.__module__)
        return make

    return register


def check_cascade(name: str, cascade: int, proxies: Sequence[str]) -> None:
    """Errors: `NasError` for an unknown sampler, and for a cascade on one that takes none or
    without proxies."""
    if SAMPLERS[name].cascade is None and cascade > 1:
        raise NasError(f"cascade {cascade}: sampler '{name}' proposes without one; leave it at 1")
    if cascade > 1 and not proxies:
        raise NasError(f"cascade {cascade}: it saves runs of proxies, and there are none")


def default_cascade(name: str, proxies: Sequence[str]) -> int:
    """How many proposals a trial screens unless the user says.

    Where every proxy is analytic a screen would be no cheaper than the score.
    """
    if not proxies:
        return 1
    from nas.proxies import PROXIES  # needs torch

    run = any(PROXIES[proxy].needs for proxy in proxies)
    return (SAMPLERS[name].cascade or 1) if run else 1
