"""All that nas uses of Optuna's private parts, so that a new Optuna is checked in one place.

`tests/study/test_optuna_private.py` names these parts, and fails where Optuna no longer has one or
where another module of nas reaches for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.samplers import BaseGASampler, GPSampler
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyModel, TrialParamModel
from optuna.trial import FrozenTrial, Trial
from sqlalchemy import select


def stored_since(study: optuna.Study, number: int) -> Iterator[FrozenTrial]:
    """The trials of a stored study from a number on, at a cost that is theirs alone."""
    if number == 0:
        yield from study.get_trials(deepcopy=False)
        return
    storage, study_id = study._storage, study._study_id
    while True:
        try:
            trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
        except KeyError:
            return
        yield storage.get_trial(trial_id)
        number += 1


def study_names(storage: RDBStorage) -> list[str]:
    """The names of the studies in a database, whatever may be wrong with the rest of one."""
    with storage.engine.connect() as connection:
        return sorted(map(str, connection.execute(select(StudyModel.study_name)).scalars()))


def id_of(trial: FrozenTrial) -> int:
    """What a storage knows the trial by."""
    return trial._trial_id


def reopened(study: optuna.Study, trial: FrozenTrial) -> Trial:
    """A trial that was running when its process ended, to go on with."""
    return Trial(study, trial._trial_id)


def generation_of(sampler: BaseGASampler, trial: FrozenTrial) -> int:
    """The generation that a genetic sampler noted on a trial; 0 where it noted none."""
    return int(trial.system_attrs.get(sampler._get_generation_key(), 0))


def with_local_searches(sampler: GPSampler, count: int) -> GPSampler:
    """The sampler, made to begin that many local searches for a proposal."""
    sampler._n_local_search = count
    return sampler


class Database(RDBStorage):
    """Optuna's storage in a database, with as few statements for a trial as its tables allow.

    All trials of a study are of one space, so their parameters are added together, where Optuna
    would look for each one's earlier distribution: most of the time that storing a trial took.
    """

    def _set_trial_param_without_commit(
        self,
        session: Any,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None = None,
    ) -> None:
        session.add(
            TrialParamModel(
                trial_id=trial_id,
                param_name=param_name,
                param_value=param_value_internal,
                distribution_json=distribution_to_json(distribution),
            )
        )
