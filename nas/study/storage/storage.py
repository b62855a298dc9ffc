"""Storage of studies: one Optuna journal file a study, or any Optuna storage URL.

A finished trial is one append, or one transaction's worth of rows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from nas.defaults import STUDIES_FOLDER
from nas.study.optuna_private import Database, study_names
from nas.study.quiet import quiet
from nas.study.storage.journal import check_last_line, journal
from nas.study.storage.locks import Claim, claim_alone, claim_file, claim_postgresql
from nas.support.errors import NasError, one_of
from nas.support.files import at_home, file_name, rename_new
from nas.support.text import masked

SUFFIX = ".journal"


class Storage:
    """A folder of journals (the default) or a database, in which studies are kept."""

    def __init__(self, location: str | None = None) -> None:
        start, slashes, path = (
            location or os.environ.get("NAS_STORAGE") or STUDIES_FOLDER
        ).rpartition(":///")
        self.location = start + slashes + at_home(path)
        self.url = self.location if "://" in self.location else None
        if self.url:
            try:
                make_url(self.url)
            except (ArgumentError, ValueError) as error:
                raise NasError(
                    masked(f"storage {self.url!r} is no URL of a database: {error}")
                ) from None
        self.folder = Path(self.location)
        self._database: Database | None = None

    def names(self) -> list[str]:
        """The studies that are here."""
        if self.url:
            missing = self._database is None and _no_such_file(make_url(self.url))
            return [] if missing else study_names(self._open_url())
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
    ) -> optuna.Study:
        """A new study with its attributes; a journal appears whole or not at all.

        Errors: `NasError` where the name is taken or cannot be one, or the storage not be written.
        """
        if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,99}", name):
            raise NasError(
                f"study name {name!r}: letters, digits and . _ + - only, at most 100, "
                "and a letter or digit first"
            )
        if name in self.names():
            raise NasError(f"study '{name}' exists in {self}; go on with it: nas resume {name}")
        if self.url:
            with self._explained(name):
                return self._fill(self._open_url(), name, attributes, directions)
        part = self.folder / f".{name}.{os.getpid()}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            self._fill(journal(part), name, attributes, directions)
            rename_new(part, self.folder / f"{name}{SUFFIX}")
        except OSError as error:
            raise NasError(f"studies cannot be kept in {self}: {error.strerror}") from None
        finally:
            with suppress(OSError):
                part.unlink()
        return self.open(name)

    def open(self, name: str) -> optuna.Study:
        """An existing study. Errors: `NasError`, with the nearest name, where there is none."""
        if name not in self.names():
            raise one_of(f"study in {self}:", name, self.names())
        if self.url:
            try:
                return optuna.load_study(study_name=name, storage=self._open_url())
            except (LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
                raise NasError(f"study '{name}' in {self}: damaged: {error!r}") from None
        path = self.folder / f"{name}{SUFFIX}"
        try:
            stored = journal(path)
            held = [study.study_name for study in stored.get_all_studies()]
            check_last_line(path)
        except OSError as error:
            raise NasError(f"study '{name}' in {self}: {error.strerror}") from None
        except (LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
            raise NasError(f"study '{name}' in {self}: damaged journal: {error!r}") from None
        if name not in held:
            holds = f"study '{held[0]}': rename it to {held[0]}{SUFFIX}" if held else "no study"
            raise NasError(f"{path} holds {holds}")
        return optuna.load_study(study_name=name, storage=stored)

    @contextmanager
    def driven(self, name: str) -> Iterator[Claim]:
        """A driver's claim on a study, for as long as it drives it; see `Claim`.

        Errors: `NasError` where the storage cannot be written; `exclusive()` too, when it no longer
        can.
        """
        with ExitStack() as stack:
            with self._explained(name):
                claim = stack.enter_context(self._claim(name))

            @contextmanager
            def exclusive() -> Iterator[None]:
                with self._explained(name), claim.exclusive():
                    yield

            yield Claim(claim.number, exclusive)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
            return
        except OSError as error:
            reason = error.strerror or str(error)
        except (SQLAlchemyError, StorageInternalError) as error:
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
    ) -> optuna.Study:
        with quiet():
            study = optuna.create_study(study_name=name, storage=storage, directions=directions)
        for key, value in attributes.items():
            study.set_user_attr(key, value)
        return study

    def _open_url(self) -> Database:
        if self._database is None:
            try:
                self._database = Database(self.url or "")
            except Exception as error:  # each database driver has its own errors
                reason = _reason(error)
                if isinstance(error, ImportError) and self.location.startswith("postgresql"):
                    reason = "it needs a driver: pip install 'hw-nas[postgres]'"
                raise NasError(f"storage {self} cannot be opened: {reason}") from None
        return self._database

    def __str__(self) -> str:
        return repr(masked(self.location))


def _no_such_file(url: URL) -> bool:
    """Whether SQLite would make a new file for this URL, which looking for a study should not."""
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
