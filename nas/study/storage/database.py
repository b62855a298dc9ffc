"""Databases that hold studies: their URLs, how one is opened, and what its errors say."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from nas.study.storage.lost import PATIENCE_SECONDS, is_lost
from nas.support.errors import NasError
from nas.support.resources import install_extra
from nas.support.text import masked

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_RACES = ("already exists", "unique constraint", "duplicate key", "locked")
# The system is starting up, shutting down or in recovery mode; what it says as it goes down.
_RESTARTS = ("the database system is ", "server closed the connection", "terminating connection")


def check_url(url: str) -> None:
    """Errors: `NasError` for what is no URL of a database."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(url)
    except (ArgumentError, ValueError) as error:
        raise NasError(masked(f"storage {url!r} is no URL of a database: {error}")) from None


def open_database(url: str) -> RDBStorage:
    """Optuna's storage at a URL. Errors: `NasError` where it cannot be opened."""
    try:
        return _open(url)
    except Exception as error:  # each database driver has its own errors
        reason = reason_of(error)
        if isinstance(error, ImportError) and url.startswith("postgresql"):
            reason = f"it needs a driver: {install_extra('postgres')}"
        raise NasError(f"storage {masked(url)!r} cannot be opened: {reason}") from None


def _open(url: str) -> RDBStorage:
    """It waits while others make its tables, or its server restarts."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError

    deadline, restarts = time.monotonic() + PATIENCE_SECONDS, False
    while True:
        try:
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        except SQLAlchemyError as error:
            said = str(error).lower()
            race = isinstance(error, IntegrityError) or any(words in said for words in _RACES)
            # A server that does not answer at all is a wrong URL, unless it did before.
            restarts = restarts or any(words in said for words in _RESTARTS)
            if not (race or (restarts and is_lost(error))) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def no_such_file(text: str) -> bool:
    """Whether SQLite would make a new file for this URL, which looking for a study should not."""
    from sqlalchemy import make_url

    url = make_url(text)
    file = url.database or ":memory:"
    plain = url.get_backend_name() == "sqlite" and not file.startswith((":", "file:"))
    return plain and not Path(file).exists()


def reason_of(error: BaseException) -> str:
    """The database's own words on one line, without those of the libraries between."""
    return masked(" ".join(str(getattr(error, "orig", None) or error).split()))[:300]
