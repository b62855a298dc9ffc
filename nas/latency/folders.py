"""Where the targets are that a user makes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from nas.approvals import config_folder
from nas.defaults import TARGETS_FOLDER
from nas.support.errors import NasError


def own_targets() -> Path:
    """The folder of the targets that the user has made, wherever that was."""
    return config_folder() / "targets"


def folder_of(name: str) -> Path:
    """The folder that a target of the user's is made in, or gone on with: the working directory's
    `latency_tables` where it is there, else the user's own."""
    here = any((TARGETS_FOLDER / f"{name}{end}").exists() for end in (".yaml", ".csv"))
    return TARGETS_FOLDER if here else own_targets()


def found_as(path: Path) -> str | None:
    """The name by which commands find a target of the user's; None where its folder is another."""
    for folder in (TARGETS_FOLDER, own_targets()):
        with suppress(ValueError):
            inside = path.resolve().relative_to(folder.resolve())
            return inside.with_suffix("").as_posix() if len(inside.parts) <= 2 else None
    return None


def calibrated_file(name: str, folder: Path | None = None) -> Path:
    """The file of a calibrated target of that name, in the `folder` or else in `folder_of` it.

    Errors: `NasError` where a measured one has the name.
    """
    folder = folder or folder_of(name)
    path = folder / f"{name}.yaml"
    if path.with_suffix(".csv").exists():
        raise NasError(f"target {name}: {folder} has a table of that name; choose another name")
    return path
