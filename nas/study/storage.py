"""Where studies are kept: one Optuna journal file a study, or any Optuna storage URL.

A finished trial is one append. The journal is locked through the operating system, which lets go
of a lock when its process dies, however it dies.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection

from nas.errors import NasError, one_of

DEFAULT_FOLDER = "studies"
SUFFIX = ".journal"
DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)

optuna.logging.set_verbosity(optuna.logging.WARNING)


class _KernelLock:
    """flock on the journal itself: nothing is left behind by a killed process.

    Has the methods that Optuna asks of a journal's lock; their base class is not public.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        self._descriptor = os.open(self._path, os.O_RDWR)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Storage:
    """A place of studies: a folder of journals (the default) or a database URL."""

    def __init__(self, place: str | None = None) -> None:
        self.place = place or os.environ.get("NAS_STORAGE") or DEFAULT_FOLDER
        self.url = self.place if "://" in self.place else None
        self.folder = Path(self.place)
        self._database: RDBStorage | None = None

    def names(self) -> list[str]:
        """The studies that are here."""
        if self.url:
            return sorted(optuna.get_all_study_names(self._open_url()))
        return sorted(path.name.removesuffix(SUFFIX) for path in self.folder.glob(f"*{SUFFIX}"))

    def create(self, name: str, attributes: dict[str, Any]) -> optuna.Study:
        """A new study with its attributes; a journal appears whole or not at all.

        Errors: `NasError` where the name is taken or cannot be one, or the place not be written.
        """
        if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,99}", name):
            raise NasError(
                f"study name {name!r}: letters, digits and . _ + - only, at most 100, "
                "and a letter or digit first"
            )
        if name in self.names():
            raise NasError(f"study '{name}' exists in {self}; go on with it: nas resume {name}")
        if self.url:
            return self._fill(self._open_url(), name, attributes)
        part = self.folder / f".{name}.{os.getpid()}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            self._fill(journal(part), name, attributes)
            # A link, unlike a rename, fails where another process has made the same study.
            os.link(part, self.folder / f"{name}{SUFFIX}")
        except OSError as error:
            raise NasError(f"studies cannot be kept in {self}: {error.strerror}") from None
        finally:
            if self.folder.is_dir():
                part.unlink(missing_ok=True)
        return self.open(name)

    def open(self, name: str) -> optuna.Study:
        """An existing study. Errors: `NasError`, with the nearest name, where there is none."""
        if name not in self.names():
            raise one_of(f"study in {self}:", name, self.names())
        if self.url:
            return optuna.load_study(study_name=name, storage=self._open_url())
        path = self.folder / f"{name}{SUFFIX}"
        try:
            _drop_partial_line(path)
            stored = journal(path)
            held = [study.study_name for study in stored.get_all_studies()]
        except OSError as error:
            raise NasError(f"study '{name}' in {self}: {error.strerror}") from None
        except (LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
            raise NasError(f"study '{name}' in {self}: damaged journal: {error!r}") from None
        if name not in held:
            holds = f"study '{held[0]}': rename it to {held[0]}{SUFFIX}" if held else "no study"
            raise NasError(f"{path} holds {holds}")
        return optuna.load_study(study_name=name, storage=stored)

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """While a process drives a journal's study no other may: both would ask the same trials.

        Errors: `NasError` where another process holds it.
        """
        if self.url:
            yield
            return
        descriptor = os.open(self.folder / f".{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise NasError(f"study '{name}' in {self} is being run by another process") from None
        try:
            yield
        finally:
            os.close(descriptor)

    def _fill(self, storage: BaseStorage, name: str, attributes: dict[str, Any]) -> optuna.Study:
        study = optuna.create_study(study_name=name, storage=storage, directions=DIRECTIONS)
        for key, value in attributes.items():
            study.set_user_attr(key, value)
        return study

    def _open_url(self) -> RDBStorage:
        if self._database is None:
            try:
                self._database = RDBStorage(self.url or "")
            except Exception as error:  # each database driver has its own errors
                reason = " ".join(str(error).split())[:200]
                raise NasError(f"storage {self.url!r} cannot be opened: {reason}") from None
        return self._database

    def __str__(self) -> str:
        return repr(self.place)


def locate(study: str, place: str | None) -> tuple[Storage, str]:
    """The storage and the name of a study given by its name or by its journal's path."""
    path = Path(study)
    if place is None and study.endswith(SUFFIX):
        return Storage(str(path.parent)), path.name.removesuffix(SUFFIX)
    return Storage(place), study


def journal(path: Path) -> JournalStorage:
    """The journal of a path, made where there is none."""
    path.touch()
    lock = _KernelLock(path)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))  # type: ignore[arg-type]


def _drop_partial_line(path: Path) -> None:
    """A machine that lost power can leave half a line; what follows it would be lost with it."""
    if not os.access(path, os.W_OK):
        return
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = position = file.seek(0, os.SEEK_END)
        while position > 0:
            start = max(0, position - 4096)
            file.seek(start)
            newline = file.read(position - start).rfind(b"\n")
            if newline >= 0:
                position = start + newline + 1
                break
            position = start
        if position < size:
            file.truncate(position)
