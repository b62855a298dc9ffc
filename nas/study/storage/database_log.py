"""The log of a study in a database, in the tables of Optuna's `RDBStorage`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import text

from nas.study.storage.log import Cursor
from nas.study.storage.lost import retried
from nas.study.stored import TRIAL, Stored, stored

T = TypeVar("T")

CHUNK = 500
_FINISHED = {state.name: state for state in TrialState if state.is_finished()}
_BEHIND = "study_id = :study AND trials.trial_id > :behind"
# One row a trial: its facts are one attribute.
_TRIALS = text(
    "SELECT trials.trial_id, number, state, value_json, datetime_start, datetime_complete "
    "FROM trials LEFT JOIN trial_user_attributes "
    "ON trial_user_attributes.trial_id = trials.trial_id AND trial_user_attributes.key = :key "
    f"WHERE {_BEHIND} ORDER BY trials.trial_id LIMIT :chunk"
)
_NOTES = text(
    "SELECT trials.trial_id, trial_system_attributes.key, value_json FROM trials "
    "JOIN trial_system_attributes ON trial_system_attributes.trial_id = trials.trial_id "
    f"WHERE {_BEHIND} AND trials.trial_id <= :last"
)


class DatabaseLog:
    """The log of a study of that name in a database.

    Reading waits for a connection that is lost; its errors are those of the context `explained`.
    Errors of storing, which a driver tries again with all that it had read before: SQLAlchemy's and
    Optuna's.
    """

    def __init__(
        self, storage: RDBStorage, name: str, explained: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._storage, self._explained = storage, explained
        self._study = self._read(lambda: storage.get_study_id_from_name(name))

    def _read(self, call: Callable[[], T]) -> T:
        with self._explained():
            return retried(call)

    def attributes(self) -> dict[str, Any]:
        return self._read(lambda: self._storage.get_study_user_attrs(self._study))

    def set_attribute(self, key: str, value: Any) -> None:
        self._storage.set_study_user_attr(self._study, key, value)

    def trials(self, cursor: Cursor) -> Iterator[Stored]:
        while rows := self._read(partial(self._chunk, cursor)):
            notes = self._read(partial(self._notes, cursor, rows[-1].trial_id))
            for trial, number, state_name, facts_text, begun, done in rows:
                cursor.position, cursor.number = trial, number + 1
                state = _FINISHED.get(state_name)
                if state is None:
                    continue
                if facts_text is None:  # of an older hw-nas
                    old = self._read(partial(self._storage.get_trial, trial))
                    parts = (old.user_attrs, old.system_attrs, old.params, (begun, done))
                    yield stored(number, state, old.values, *parts)
                    continue
                facts = json.loads(facts_text)
                parts = ({TRIAL: facts}, notes.get(trial, {}), {}, (begun, done))
                yield stored(number, state, facts.get("values"), *parts)

    def _chunk(self, cursor: Cursor) -> Sequence[Any]:
        bound = {
            "study": self._study,
            "behind": cursor.position,
            "key": TRIAL,
            "chunk": CHUNK,
        }
        with self._storage.engine.connect() as connection:
            return connection.execute(_TRIALS, bound).all()

    def _notes(self, cursor: Cursor, last: int) -> dict[int, dict[str, Any]]:
        bound = {"study": self._study, "behind": cursor.position, "last": last}
        notes: dict[int, dict[str, Any]] = defaultdict(dict)
        with self._storage.engine.connect() as connection:
            for trial, key, value in connection.execute(_NOTES, bound):
                notes[trial][key] = json.loads(value)
        return notes

    def add(self, trial: FrozenTrial) -> None:
        self._storage.create_new_trial(self._study, trial)
