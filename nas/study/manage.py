"""Removing and renaming studies, with all that belongs to them."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nas.study.config import HEADER, config_path, write_config
from nas.study.storage.storage import Storage
from nas.study.study import Study
from nas.support.errors import NasError

FOLDERS = ("finalists", "learning")


@dataclass
class Belongings:
    """What a study has: its trials, and the folders of what was trained for it. Of a damaged one
    only that it is there is known."""

    storage: Storage
    name: str
    study: Study | None = None
    trials: int = 0
    folders: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        if self.study is None:
            return f"study '{self.name}' in {self.storage}: damaged"
        trained = sum(len(list(folder.glob("trial-*"))) for folder in self.folders)
        has = f"trials {self.trials}, trained networks {trained}"
        return f"study '{self.name}' in {self.storage}: {has}"


def belongings(storage: Storage, name: str) -> Belongings:
    """What the study of that name has. Errors: `NasError`, with the nearest name, for none."""
    storage.check_there(name)
    try:
        study = Study.open(storage, name)
        folders = [folder for kind in FOLDERS if (folder := study.folder(kind)).is_dir()]
        return Belongings(storage, name, study, study.tally().trials, folders)
    except NasError:
        return Belongings(storage, name)


def remove(of: Belongings) -> None:
    """Removes a study for good. Errors: `NasError`, with nothing removed, where it is being driven
    or cannot be written."""
    config = _config(of)
    of.storage.remove(of.name)  # first, so that what is left of a kill belongs to nobody
    if config:
        config.unlink(missing_ok=True)
    for folder in of.folders:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()  # it may hold those of another that had the name before


def rename(of: Belongings, name: str) -> None:
    """Gives a study another name. Errors: `NasError` where it is damaged or being driven, or where
    the name is taken or cannot be one."""
    if of.study is None:
        Study.open(of.storage, of.name)  # which says what is wrong with it
        raise NasError(f"study '{of.name}' is damaged")
    config = _config(of)
    of.storage.rename(of.name, name)
    renamed = Study.open(of.storage, name)
    for folder in of.folders:
        kind = folder.parent.name.rpartition(".")[2]
        new = renamed.folder(kind)
        new.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(new)
        with suppress(OSError):
            folder.parent.rmdir()
    if config:
        config.unlink(missing_ok=True)
        write_config(renamed)


def _config(of: Belongings) -> Path | None:
    """The study's file of options, if it is as it was written here."""
    path = config_path(of.study) if of.study else None
    if path and path.is_file() and path.read_text(errors="replace").startswith(HEADER):
        return path
    return None
