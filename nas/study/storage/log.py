"""A study's log: its attributes and its finished trials, read from where it was read last.

Optuna's storages keep every trial of a study in memory, and read it whole to begin with. A log
reads the same file or database as a stream, and what it writes any Optuna tool can read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from optuna.trial import FrozenTrial

from nas.study.stored import Stored


class Cursor:
    """How far a log has been read: so many trials, up to a `position` that is the log's own."""

    def __init__(self) -> None:
        self.number = self.position = 0


class Log(Protocol):
    """The log of one study."""

    def attributes(self) -> dict[str, Any]:
        """The study's user attributes as they are now."""
        ...

    def set_attribute(self, key: str, value: Any) -> None:
        """Stores a user attribute of the study."""
        ...

    def trials(self, cursor: Cursor) -> Iterator[Stored]:
        """Yields the finished trials behind the cursor, which follows."""
        ...

    def add(self, trial: FrozenTrial) -> None:
        """Stores a finished trial, whole or not at all."""
        ...
