"""Storage of studies: one Optuna journal file a study, or any Optuna storage URL.

A finished trial is one append, or one transaction's worth of rows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from nas.defaults import STUDIES_FOLDER
from nas.study.optuna_private import create_study, rename_study, study_names
from nas.study.quiet import name_values, quiet
from nas.study.storage.database import check_url, no_such_file, open_database, reason_of
from nas.study.storage.journal import check_last_line, copy_renamed, journal
from nas.study.storage.journal_log import JournalLog
from nas.study.storage.locks import Claim, Driven, claim_database, claim_file
from nas.study.storage.log import Log
from nas.study.storage.lost import PATIENCE_SECONDS, Lost, database_errors, is_lost, retried
from nas.study.stored import DAMAGE
from nas.support.errors import NasError, check_type, one_of, shown
from nas.support.files import at_home, rename_new
from nas.support.text import masked

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

SUFFIX = ".journal"
CHOOSE = ": choose another name"
T = TypeVar("T")


class Taken(NasError):
    """A study of that name is there already."""


class Storage:
    """A folder of journals (the default) or a database, in which studies are kept."""

    def __init__(self, location: str | Path | None = None) -> None:
        place = location or os.environ.get("NAS_STORAGE") or STUDIES_FOLDER
        check_type(place, "storage", "a folder or the URL of a database", str, Path)
        start, slashes, path = str(place).rpartition(":///")
        self.location = start + slashes + at_home(path)
        self.url = self.location if "://" in self.location else None
        if self.url:
            check_url(self.url)
        self.folder = Path(self.location)
        self._database: RDBStorage | None = None

    def names(self) -> list[str]:
        """The studies that are here."""
        if self.url:
            if self._database is None and no_such_file(self.url):
                return []
            with self.explained_reading():
                return retried(lambda: study_names(self._open_url()))
        files = (path for path in self.folder.glob(f"*{SUFFIX}") if path.is_file())
        return sorted(path.name.removesuffix(SUFFIX) for path in files)

    def journal(self, name: str) -> Path | None:
        """A study's file; None in a database."""
        return None if self.url else self._path(name)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def create(
        self,
        name: str,
        attributes: dict[str, Any],
        directions: Sequence[StudyDirection],
        titles: Sequence[str] = (),
    ) -> None:
        """Makes a new study with its attributes, which appears whole or not at all. `titles` are
        what Optuna's tools call a trial's values.

        Errors: `NasError` where the name is taken or cannot be one, or the storage not be written.
        """
        check_name(name)
        if name in self.names():
            raise self._taken(name)
        if self.url:
            self._create_in_database(name, attributes, directions, titles)
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._new_journal(name) as part:
                with quiet():
                    study = optuna.create_study(
                        study_name=name, storage=journal(part), directions=directions
                    )
                name_values(study, titles)
                for key, value in attributes.items():
                    study.set_user_attr(key, value)
        except OSError as error:
            raise NasError(f"studies cannot be kept in {self}: {error.strerror}") from None

    @contextmanager
    def _new_journal(self, name: str, advice: str = "") -> Iterator[Path]:
        """A file to write, which becomes a study's journal, whole or not at all."""
        part = self.folder / f".{name}.{uuid4().hex}.part"
        try:
            yield part
            rename_new(part, self._path(name))
        except FileExistsError:
            raise self._taken(name, advice) from None
        finally:
            with suppress(OSError):
                part.unlink()

    def check_there(self, name: str) -> None:
        """Errors: `NasError`, with the nearest name, where there is no such study."""
        if name not in (names := self.names()):
            if os.path.isfile(name) or name.rpartition(":")[0] in names:
                hint = "nas describe shows networks, STUDY:TRIAL too"
                raise NasError(f"{shown(name)} is no study in {self}; {hint}")
            raise one_of(f"study in {self}:", name, names, lister="nas studies")

    def remove(self, name: str) -> None:
        """Removes a study for good. Errors: `NasError` where it is being driven or not writable."""
        with self._at_rest(name):
            if self.url:
                optuna.delete_study(study_name=name, storage=self._open_url())
                return
            self._path(name).unlink()

    def rename(self, name: str, new: str) -> None:
        """Gives a study another name. Errors: those of `create` and `remove`."""
        check_name(new)
        if new in self.names():
            raise self._taken(new, CHOOSE)
        with self._at_rest(name):
            if self.url:
                rename_study(self._open_url(), name, new)
                return
            with self._new_journal(new, CHOOSE) as part:
                copy_renamed(self._path(name), part, name, new)
            self._path(name).unlink()

    @contextmanager
    def _at_rest(self, name: str) -> Iterator[None]:
        """A context in which nobody drives a study, after which none of that name is there. Errors:
        `NasError` where somebody does."""
        with self.driven(name) as driven, self._explained(name):
            if driven.claim.number > 0 or driven.claim.others():
                raise NasError(f"study '{name}' in {self} is being searched: stop that first")
            yield
            driven.claim.forget()

    def _taken(self, name: str, advice: str = "") -> Taken:
        advice = advice or f"; go on with it: nas resume {self.named(name)}"
        return Taken(f"study '{name}' exists in {self}{advice}")

    def named(self, name: str) -> str:
        """A study as commands name it: with this storage, without a password, unless it is where
        they look."""
        here = self.location == (os.environ.get("NAS_STORAGE") or STUDIES_FOLDER)
        return quote(name) + ("" if here else f" --storage {quote(masked(self.location))}")

    def log(self, name: str) -> Log:
        """The log of an existing study. Errors: `NasError`, with the nearest name, where there is
        none, or where its journal is damaged."""
        self.check_there(name)
        with self.explained_reading(name):
            if self.url:
                from nas.study.storage.database_log import DatabaseLog

                return DatabaseLog(self._open_url(), name, lambda: self.explained_reading(name))
            path = self._path(name)
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
        return self._open_url() if self.url else journal(self._path(name))

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
            reason = reason_of(error.__cause__ or error)
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
            reason = reason_of(error.__cause__ or error)
        raise NasError(
            f"study '{name}' in {self} cannot be written: {reason}; every trial it has is kept"
        )

    def _claim(self, name: str) -> AbstractContextManager[Claim]:
        if not self.url:
            return claim_file(self.folder, name)
        return claim_database(self._open_url().engine, name)

    def _create_in_database(
        self,
        name: str,
        attributes: dict[str, Any],
        directions: Sequence[StudyDirection],
        titles: Sequence[str],
    ) -> None:
        from sqlalchemy.exc import IntegrityError

        with self._explained(name):
            try:
                create_study(self._open_url(), name, directions, attributes)
            except IntegrityError:
                raise self._taken(name) from None
            name_values(self.optuna_study(name), titles)

    def _open_url(self) -> RDBStorage:
        if self._database is None:
            self._database = open_database(self.url or "")
        return self._database

    def __str__(self) -> str:
        return repr(masked(self.location))


def check_name(name: str) -> None:
    """Errors: `NasError` for what cannot be the name of a study."""
    check_type(name, "study name", "text", str)
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,99}", name):
        raise NasError(
            f"study name {name!r}: letters, digits and . _ + - only, at most 100, "
            "and a letter or digit first"
        )


def locate(study: str | Path, storage: Storage | str | Path | None) -> tuple[Storage, str]:
    """The storage and the name of a study given by its name or by its journal's path.

    A `storage` that somebody wrote comes before the path.
    """
    check_type(study, "study", "text: its name or its journal's path", str, Path)
    path = Path(study := at_home(str(study)))
    if not isinstance(storage, str | Path) and study.endswith(SUFFIX):
        return Storage(str(path.parent)), path.name.removesuffix(SUFFIX)
    return storage if isinstance(storage, Storage) else Storage(storage), study
