"""All that nas uses of Optuna's private parts, so that a new Optuna is checked in one place.

`tests/study/test_optuna_private.py` names these parts, and fails where Optuna no longer has one or
where another module of nas reaches for one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.samplers import BaseGASampler, GPSampler
from optuna.trial import FrozenTrial, Trial

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import StudyDirection


def study_names(storage: RDBStorage) -> list[str]:
    """The names of the studies in a database, whatever may be wrong with the rest of one."""
    from optuna.storages._rdb.models import StudyModel
    from sqlalchemy import select

    with storage.engine.connect() as connection:
        return sorted(map(str, connection.execute(select(StudyModel.study_name)).scalars()))


def create_study(
    storage: RDBStorage,
    name: str,
    directions: Sequence[StudyDirection],
    attributes: Mapping[str, Any],
) -> None:
    """Makes a study in a database with its user attributes, all in one transaction. Errors:
    SQLAlchemy's, `IntegrityError` where the name is taken."""
    from optuna.storages._rdb import models
    from sqlalchemy.orm import Session

    study = models.StudyModel(
        study_name=name,
        directions=[
            models.StudyDirectionModel(objective=i, direction=direction)
            for i, direction in enumerate(directions)
        ],
        user_attributes=[
            models.StudyUserAttributeModel(key=key, value_json=json.dumps(value))
            for key, value in attributes.items()
        ],
    )
    with Session(storage.engine) as session, session.begin():
        session.add(study)


def rename_study(storage: RDBStorage, name: str, new: str) -> None:
    """Gives a study in a database another name, which must be new."""
    from optuna.storages._rdb.models import StudyModel
    from sqlalchemy import update

    with storage.engine.begin() as connection:
        of = StudyModel.study_name == name
        connection.execute(update(StudyModel).where(of).values(study_name=new))


def id_of(trial: FrozenTrial) -> int:
    """What a storage knows the trial by."""
    return trial._trial_id


def reopened(study: optuna.Study, trial: FrozenTrial) -> Trial:
    """A trial that was running when its process ended, to go on with."""
    return Trial(study, trial._trial_id)


def generation_of(sampler: BaseGASampler, notes: Mapping[str, Any]) -> int:
    """The generation that a genetic sampler noted on a trial; 0 where it noted none."""
    return int(notes.get(sampler._get_generation_key(), 0))


def with_local_searches(sampler: GPSampler, count: int) -> GPSampler:
    """The sampler, made to begin that many local searches for a proposal."""
    sampler._n_local_search = count
    return sampler
