"""Evolution by mutation (Real et al. 2019, arXiv 1802.01548), for one objective or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.study.objectives import Aim, trial_losses
from nas.study.samplers.registry import sampler

POPULATION = 1000
TOURNAMENT = 25
MUTATIONS = 4
SCREENED = 32


@sampler("evolution", cascade=SCREENED, memory=POPULATION)
class EvolutionSampler(BaseSampler):
    """A parent's parameters without a few of them, which are drawn anew by whoever asks.

    The population is the youngest trials, as in the paper: whatever is old dies, the best included.
    `ancestors` are trials before the study's first. A parent wins a tournament towards an `Aim` of
    its own, so that the whole Pareto front has children.
    """

    def __init__(self, seed: int | None = None, ancestors: Sequence[FrozenTrial] = ()) -> None:
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed=seed)
        self._ancestors = ancestors
        self._population: tuple[list[FrozenTrial], np.ndarray] | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return intersection_search_space(study.get_trials(deepcopy=False))

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._population = None

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if self._population is None:  # read once: a trial may be proposed several times
            complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            members = [*self._ancestors, *complete][-POPULATION:]
            self._population = members, trial_losses(members, study.directions)
        members, losses = self._population
        if not members:
            return {}
        rng = self._rng
        size = min(TOURNAMENT, len(members))
        drawn = rng.choice(len(members), size, replace=False)
        aim = Aim.drawn(rng, losses)
        parent = members[drawn[int(np.argmax(aim.reached(losses[drawn])))]].params
        names = [name for name in parent if name in search_space]
        if not names:
            return {}
        count = min(len(names), max(1, int(rng.poisson(MUTATIONS))))
        open_ = set(rng.choice(len(names), count, replace=False).tolist())
        return {name: parent[name] for i, name in enumerate(names) if i not in open_}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._random.sample_independent(study, trial, param_name, param_distribution)
