"""Storage of studies: one Optuna journal file a study, or any Optuna storage URL.

A finished trial is one append, or one transaction's worth of rows.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import uuid4

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from nas.defaults import STUDIES_FOLDER
from nas.study.optuna_private import rename_study, study_names
from nas.study.quiet import name_values, quiet
from nas.study.storage.journal import check_last_line, copy_renamed, journal
from nas.study.storage.journal_log import JournalLog
from nas.study.storage.locks import (
    Claim,
    claim_alone,
    claim_file,
    claim_postgresql,
    lock_files,
    others_drive,
)
from nas.study.storage.log import Log
from nas.study.storage.lost import PATIENCE_SECONDS, Lost, database_errors, is_lost, retried
from nas.study.stored import DAMAGE
from nas.support.errors import NasError, one_of
from nas.support.files import at_home, file_name, rename_new
from nas.support.text import masked

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

SUFFIX = ".journal"
_RACES = ("already exists", "unique constraint", "duplicate key", "locked")
# The system is starting up, shutting down or in recovery mode; what it says as it goes down.
_RESTARTS = ("the database system is ", "server closed the connection", "terminating connection")

T = TypeVar("T")


class Taken(NasError):
    """A study of that name is there already."""


class Driven(NamedTuple):
    """A driver's claim on a study. `alone` does something while no other driver stores anything;
    where the connection to the database is lost it does it again, as soon as there is one."""

    claim: Claim
    alone: Callable[[Callable[[], Any]], Any]


class Storage:
    """A folder of journals (the default) or a database, in which studies are kept."""

    def __init__(self, location: str | None = None) -> None:
        start, slashes, path = (
            location or os.environ.get("NAS_STORAGE") or STUDIES_FOLDER
        ).rpartition(":///")
        self.location = start + slashes + at_home(path)
        self.url = self.location if "://" in self.location else None
        if self.url:
            from sqlalchemy import make_url
            from sqlalchemy.exc import ArgumentError

            try:
                make_url(self.url)
            except (ArgumentError, ValueError) as error:
                raise NasError(
                    masked(f"storage {self.url!r} is no URL of a database: {error}")
                ) from None
        self.folder = Path(self.location)
        self._database: RDBStorage | None = None

    def names(self) -> list[str]:
        """The studies that are here."""
        if self.url:
            missing = self._database is None and _no_such_file(self.url)
            if missing:
                return []
            with self.explained_reading():
                return retried(lambda: study_names(self._open_url()))
        files = (path for path in self.folder.glob(f"*{SUFFIX}") if path.is_file())
        return sorted(path.name.removesuffix(SUFFIX) for path in files)

    def journal(self, name: str) -> Path | None:
        """A study's file; None in a database."""
        return None if self.url else self.folder / f"{name}{SUFFIX}"

    def create(
        self,
        name: str,
        attributes: dict[str, Any],
        directions: Sequence[StudyDirection],
        titles: Sequence[str] = (),
    ) -> None:
        """Makes a new study with its attributes; a journal appears whole or not at all. `titles`
        are what Optuna's tools call a trial's values.

        Errors: `NasError` where the name is taken or cannot be one, or the storage not be written.
        """
        _check_name(name)
        if name in self.names():
            raise self._taken(name)
        if self.url:
            with self._explained(name):
                self._fill(self._open_url(), name, attributes, directions, titles)
            return
        part = self.folder / f".{name}.{uuid4().hex}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._fill(journal(part), name, attributes, directions, titles)
            try:
                rename_new(part, self.folder / f"{name}{SUFFIX}")
            except FileExistsError:
                raise self._taken(name) from None
        except OSError as error:
            raise NasError(f"studies cannot be kept in {self}: {error.strerror}") from None
        finally:
            with suppress(OSError):
                part.unlink()

    def check_there(self, name: str) -> None:
        """Errors: `NasError`, with the nearest name, where there is no such study."""
        if name not in (names := self.names()):
            raise one_of(f"study in {self}:", name, names)

    def remove(self, name: str) -> None:
        """Removes a study for good. Errors: `NasError` where it is being driven or not writable."""
        with self._at_rest(name):
            if self.url:
                optuna.delete_study(study_name=name, storage=self._open_url())
                return
            (self.folder / f"{name}{SUFFIX}").unlink()
        for path in lock_files(self.folder, name):
            path.unlink(missing_ok=True)

    def rename(self, name: str, new: str) -> None:
        """Gives a study another name. Errors: those of `create` and `remove`."""
        _check_name(new)
        if new in self.names():
            raise Taken(f"study '{new}' exists in {self}: choose another name")
        with self._at_rest(name):
            if self.url:
                rename_study(self._open_url(), name, new)
                return
            path = self.folder / f"{name}{SUFFIX}"
            part = self.folder / f".{new}.{uuid4().hex}.part"
            try:
                copy_renamed(path, part, name, new)
                rename_new(part, self.folder / f"{new}{SUFFIX}")
            except FileExistsError:
                raise Taken(f"study '{new}' exists in {self}: choose another name") from None
            finally:
                part.unlink(missing_ok=True)
            path.unlink()
        for path in lock_files(self.folder, name):
            path.unlink(missing_ok=True)

    @contextmanager
    def _at_rest(self, name: str) -> Iterator[None]:
        """A context in which nobody drives a study. Errors: `NasError` where somebody does."""
        with self.driven(name) as driven:
            busy = driven.claim.number > 0 or (not self.url and others_drive(self.folder, name))
            if busy:
                raise NasError(f"study '{name}' in {self} is being searched: stop that first")
            with self._explained(name):
                yield

    def _taken(self, name: str) -> Taken:
        return Taken(f"study '{name}' exists in {self}; go on with it: nas resume {name}")

    def log(self, name: str) -> Log:
        """The log of an existing study. Errors: `NasError`, with the nearest name, where there is
        none, or where its journal is damaged."""
        self.check_there(name)
        with self.explained_reading(name):
            if self.url:
                from nas.study.storage.database_log import DatabaseLog

                return DatabaseLog(self._open_url(), name, lambda: self.explained_reading(name))
            path = self.folder / f"{name}{SUFFIX}"
            log = JournalLog(path, name)
            held = log.names()
            check_last_line(path)
        if name not in held:
            holds = f"study '{held[0]}': rename it to {held[0]}{SUFFIX}" if held else "no study"
            raise NasError(f"{path} holds {holds}")
        return log

    def optuna_study(self, name: str) -> optuna.Study:
        """An existing study as Optuna's own, which reads all of it."""
        return optuna.load_study(study_name=name, storage=self.optuna_storage(name))

    def optuna_storage(self, name: str) -> BaseStorage:
        """What holds a study, as Optuna's own."""
        return self._open_url() if self.url else journal(self.folder / f"{name}{SUFFIX}")

    @contextmanager
    def explained_reading(self, name: str | None = None) -> Iterator[None]:
        """A context in which what is wrong with a stored study, or all of them, is a `NasError`."""
        what = f"study '{name}' in {self}" if name else f"storage {self}"
        try:
            yield
            return
        except NasError:
            raise
        except OSError as error:
            reason = error.strerror or str(error)
        except database_errors() as error:
            reason = _reason(error.__cause__ or error)
            if is_lost(error):
                raise Lost(f"{what}: {reason}") from None
        except (*DAMAGE, AssertionError) as error:
            reason = f"damaged {'study' if self.url else 'journal'}: {error!r}"
        raise NasError(f"{what}: {reason}")

    @contextmanager
    def driven(self, name: str, stopped: Callable[[], bool] = lambda: False) -> Iterator[Driven]:
        """A driver's claim on a study, for as long as it drives it; see `Driven`.

        Errors: `NasError` where the storage cannot be written; `alone` too, when it no longer can.
        """
        with ExitStack() as stack:
            with self._explained(name):
                claim = retried(lambda: stack.enter_context(self._claim(name)), stopped)

            def alone(action: Callable[[], T]) -> T:
                def once() -> T:
                    with claim.exclusive():
                        return action()

                with self._explained(name):
                    return retried(once, stopped)

            yield Driven(claim, alone)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
            return
        except Lost:
            reason = f"the server was away for {PATIENCE_SECONDS:.0f} s"
        except OSError as error:
            reason = error.strerror or str(error)
        except database_errors() as error:
            reason = _reason(error.__cause__ or error)
        raise NasError(
            f"study '{name}' in {self} cannot be written: {reason}; every trial it has is kept"
        )

    def _claim(self, name: str) -> AbstractContextManager[Claim]:
        if not self.url:
            return claim_file(self.folder, name)
        engine = self._open_url().engine
        if engine.dialect.name == "postgresql":
            return claim_postgresql(engine, name)
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:  # the URL may name it as another URL
                file = connection.exec_driver_sql("PRAGMA database_list").scalars(2).first()
            if file:
                return claim_file(Path(file).parent, f"{Path(file).name}.{file_name(name)}")
        return claim_alone()

    def _fill(
        self,
        storage: BaseStorage,
        name: str,
        attributes: dict[str, Any],
        directions: Sequence[StudyDirection],
        titles: Sequence[str],
    ) -> None:
        try:
            with quiet():
                study = optuna.create_study(study_name=name, storage=storage, directions=directions)
        except DuplicatedStudyError:
            raise self._taken(name) from None
        if titles:
            name_values(study, titles)
        for key, value in attributes.items():
            study.set_user_attr(key, value)

    def _open_url(self) -> RDBStorage:
        if self._database is None:
            try:
                self._database = _database(self.url or "")
            except Exception as error:  # each database driver has its own errors
                reason = _reason(error)
                if isinstance(error, ImportError) and self.location.startswith("postgresql"):
                    reason = "it needs a driver: pip install 'hw-nas[postgres]'"
                raise NasError(f"storage {self} cannot be opened: {reason}") from None
        return self._database

    def __str__(self) -> str:
        return repr(masked(self.location))


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,99}", name):
        raise NasError(
            f"study name {name!r}: letters, digits and . _ + - only, at most 100, "
            "and a letter or digit first"
        )


def _database(url: str) -> RDBStorage:
    """Optuna's storage at a URL; it waits while others make its tables, or its server restarts."""
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


def _no_such_file(text: str) -> bool:
    """Whether SQLite would make a new file for this URL, which looking for a study should not."""
    from sqlalchemy import make_url

    url = make_url(text)
    file = url.database or ":memory:"
    plain = url.get_backend_name() == "sqlite" and not file.startswith((":", "file:"))
    return plain and not Path(file).exists()


def _reason(error: BaseException) -> str:
    """The database's own words on one line, without those of the libraries between."""
    return masked(" ".join(str(getattr(error, "orig", None) or error).split()))[:300]


def locate(study: str, storage: Storage | str | None) -> tuple[Storage, str]:
    """The storage and the name of a study given by its name or by its journal's path.

    A `storage` that somebody wrote comes before the path.
    """
    path = Path(study)
    if not isinstance(storage, str) and study.endswith(SUFFIX):
        return Storage(str(path.parent)), path.name.removesuffix(SUFFIX)
    return storage if isinstance(storage, Storage) else Storage(storage), study
