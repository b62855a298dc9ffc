"""A database whose server is away for a while: what was tried is tried again, for a minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError

from nas.support.errors import NasError

PATIENCE_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, STEP_SECONDS = 0.1, 5.0, 0.1
# Of PostgreSQL: the connection's own errors, and a server that stops, crashed or is starting.
_AWAY = ("08", "57P")

T = TypeVar("T")


class Lost(NasError):
    """The connection to the database was lost."""


class LockLost(NasError):
    """The connection that holds a driver's locks was lost. It takes new locks to try again, so that
    what is done under them is not."""


def database_errors() -> tuple[type[Exception], ...]:
    """What a database raises. Where a study is in a journal nothing asks for it, and SQLAlchemy,
    which takes as long to load as such a study, is not."""
    from sqlalchemy.exc import SQLAlchemyError

    return SQLAlchemyError, StorageInternalError


def is_lost(error: BaseException) -> bool:
    """Whether it is the connection that failed, or SQLite's file that others kept locked."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    if isinstance(error, StorageInternalError):
        error = error.__cause__ or error
    if isinstance(error, Lost):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    if type(error.orig).__module__ == "sqlite3":
        return "locked" in str(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state.startswith(_AWAY)


def retried(call: Callable[[], T], stopped: Callable[[], bool] = lambda: False) -> T:
    """The result of a call, which is tried again, ever less often, while the connection is lost.

    Errors: those of the call; that of the last try after `PATIENCE_SECONDS`, or once `stopped`.
    """
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, FIRST_PAUSE_SECONDS
    while True:
        try:
            return call()
        except Exception as error:
            if not is_lost(error) or time.monotonic() + pause > deadline:
                raise
            resumed = time.monotonic() + pause
            while (left := resumed - time.monotonic()) > 0:
                if stopped():
                    raise
                time.sleep(min(left, STEP_SECONDS))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
