"""The log of a study in a journal: lines of JSON in the format of Optuna's `JournalStorage`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from nas.study.storage.journal import Journal
from nas.study.storage.log import Cursor
from nas.study.stored import Stored, distribution, stored

# Optuna's numbers of what a line does.
CREATE_STUDY, DELETE_STUDY, SET_ATTRIBUTE, CREATE_TRIAL = 0, 1, 2, 4
LAST_OPERATION = 10
_TRIAL_LINE = b'{"op_code":4,'


class JournalLog:
    """The log of the study in the journal of a path.

    Errors: `ValueError` and the like where a line is damaged; `OSError`.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name, self._path, self._journal = name, path, Journal(path)
        self._worker = f"{uuid4()}-nas"
        self._studies: dict[int, tuple[str, dict[str, Any]]] = {}
        self._created = self._position = 0

    def names(self) -> list[str]:
        """The studies that the journal holds: one, if it is of nas' making."""
        self._read()
        return [name for name, _ in self._studies.values()]

    def attributes(self) -> dict[str, Any]:
        self._read()
        return self._studies[self._id()][1]

    def _id(self) -> int:
        return next(number for number, (name, _) in self._studies.items() if name == self.name)

    def _read(self) -> None:
        """Takes what was done to studies since the last time; lines of trials are passed over."""
        for line, end in _lines(self._path, self._position):
            if not line.startswith(_TRIAL_LINE):
                self._apply(json.loads(line))
            self._position = end

    def _apply(self, log: dict[str, Any]) -> None:
        operation = log["op_code"]
        if not 0 <= operation <= LAST_OPERATION:
            raise ValueError(f"op_code {operation}")
        if operation == CREATE_STUDY:
            if log["study_name"] not in (name for name, _ in self._studies.values()):
                self._studies[self._created] = (log["study_name"], {})
                self._created += 1
        elif operation == DELETE_STUDY:
            self._studies.pop(log["study_id"], None)
        elif operation == SET_ATTRIBUTE and log["study_id"] in self._studies:
            self._studies[log["study_id"]][1].update(log["user_attr"])

    def set_attribute(self, key: str, value: Any) -> None:
        self._append(SET_ATTRIBUTE, {"user_attr": {key: value}})

    def _append(self, operation: int, fields: dict[str, Any]) -> None:
        self._read()
        head = {"op_code": operation, "worker_id": self._worker, "study_id": self._id()}
        self._journal.append_logs([head | fields])

    def trials(self, cursor: Cursor) -> Iterator[Stored]:
        self._read()
        study = self._id()
        for line, end in _lines(self._path, cursor.position):
            if line.startswith(_TRIAL_LINE) or not line.startswith(b'{"op_code":'):
                log = json.loads(line.decode())  # quicker than from bytes
                if log["op_code"] == CREATE_TRIAL and log["study_id"] == study:
                    number, cursor.number = cursor.number, cursor.number + 1
                    state = TrialState(log.get("state", TrialState.RUNNING.value))
                    if state.is_finished():
                        cursor.position = end
                        yield _stored(number, state, log)
            cursor.position = end

    def add(self, trial: FrozenTrial) -> None:
        values = trial.values
        fields = {
            "datetime_start": _utc(trial.datetime_start),
            "state": int(trial.state),
            "value": values[0] if values and len(values) == 1 else None,
            "values": values if values and len(values) > 1 else None,
            "datetime_complete": _utc(trial.datetime_complete),
            "distributions": {
                name: distribution_to_json(kind) for name, kind in trial.distributions.items()
            },
            "params": {
                name: trial.distributions[name].to_internal_repr(value)
                for name, value in trial.params.items()
            },
            "user_attrs": trial.user_attrs,
            "system_attrs": trial.system_attrs,
            "intermediate_values": {},
        }
        self._append(CREATE_TRIAL, fields)


def _stored(number: int, state: TrialState, log: dict[str, Any]) -> Stored:
    values = log.get("values")
    if values is None and log.get("value") is not None:
        values = [log["value"]]
    kinds, params = log.get("distributions", {}), log.get("params", {})
    external = {name: distribution(kinds[name]).to_external_repr(v) for name, v in params.items()}
    parts = (log.get("user_attrs", {}), log.get("system_attrs", {}), external)
    return stored(
        number, state, values, *parts, (log.get("datetime_start"), log.get("datetime_complete"))
    )


def _utc(when: datetime | None) -> str:
    """A time as Optuna writes it: now, where there is none."""
    return (when or datetime.now()).astimezone(UTC).isoformat(timespec="microseconds")


def _lines(path: Path, position: int) -> Iterator[tuple[bytes, int]]:
    """Yields the whole lines from a position on but empty ones, as an editor leaves them, each with
    the position behind it."""
    with path.open("rb") as file:
        file.seek(position)
        for line in file:
            if not line.endswith(b"\n"):  # half a line, which a killed writer has left
                return
            position += len(line)
            if line != b"\n":
                yield line, position
