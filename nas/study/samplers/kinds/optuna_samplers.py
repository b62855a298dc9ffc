"""Optuna's own samplers. None of them reads the ancestors."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from nas.study.optuna_private import with_local_searches
from nas.study.samplers.registry import sampler

POPULATION = 50


@sampler("nsga2", generations=True)
def nsga2(seed: int, ancestors: Sequence[FrozenTrial]) -> BaseSampler:
    """NSGA-II (Deb et al. 2002) with crossover."""
    return NSGAIISampler(population_size=POPULATION, seed=seed)


@sampler("tpe")
def tpe(seed: int, ancestors: Sequence[FrozenTrial]) -> BaseSampler:
    """The tree-structured Parzen estimator (Bergstra et al. 2011), of all options together."""
    return TPESampler(multivariate=True, seed=seed)


@sampler("gp")
def gp(seed: int, ancestors: Sequence[FrozenTrial]) -> BaseSampler:
    """A Gaussian process with one local search a trial.

    With Optuna's ten, spaces of 40 options take 6 s a proposal.
    """
    return with_local_searches(GPSampler(seed=seed), 1)


@sampler("random", cascade=None, memory=0)
def random(seed: int, ancestors: Sequence[FrozenTrial]) -> BaseSampler:
    """Uniform: what the others are compared with, so nothing screens its proposals."""
    return RandomSampler(seed=seed)
