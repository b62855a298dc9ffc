"""The samplers by name: Optuna's and evolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from nas.proxies import PROXIES
from nas.study.samplers.evolution import EvolutionSampler
from nas.support.errors import NasError, one_of

if TYPE_CHECKING:
    pass

POPULATION = 50
SCREENED = 32


def _gp(seed: int, ancestors: Sequence[FrozenTrial]) -> BaseSampler:
    """One local search a trial: with Optuna's ten, spaces of 40 options take 6 s a proposal."""
    sampler = GPSampler(seed=seed)
    sampler._n_local_search = 1
    return sampler


# Made from a seed and from trials before the study's first, the reference sample.
SAMPLERS: dict[str, Callable[[int, Sequence[FrozenTrial]], BaseSampler]] = {
    "evolution": EvolutionSampler,
    "nsga2": lambda seed, ancestors: NSGAIISampler(population_size=POPULATION, seed=seed),
    "tpe": lambda seed, ancestors: TPESampler(multivariate=True, seed=seed),
    "gp": _gp,
    "random": lambda seed, ancestors: RandomSampler(seed=seed),
}


def check_sampler(name: str, cascade: int = 1) -> None:
    """Errors: `NasError` with the nearest name where there is no such sampler, and for a cascade
    on random search, which is what others are compared with."""
    if name not in SAMPLERS:
        raise one_of("sampler", name, SAMPLERS)
    if name == "random" and cascade > 1:
        raise NasError(f"cascade {cascade}: sampler 'random' proposes without one; leave it at 1")


def default_cascade(name: str, proxies: Sequence[str]) -> int:
    """How many proposals a trial screens unless it is said: evolution's is the one that gains.

    Where every proxy is analytic a screen would be no cheaper than the score.
    """
    run = any(PROXIES[p].needs for p in proxies if p in PROXIES)
    return SCREENED if name == "evolution" and run else 1
