"""Where the targets are that a user makes."""

from __future__ import annotations

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


def found_by_name(path: Path) -> bool:
    """Whether a target of the user's is in a folder where commands find it by its name."""
    return path.parent.resolve() in [f.resolve() for f in (TARGETS_FOLDER, own_targets())]


def calibrated_file(name: str, folder: Path | None = None) -> Path:
    """The file of a calibrated target of that name, in the `folder` or else in `folder_of` it.

    Errors: `NasError` where a measured one has the name.
    """
    folder = folder or folder_of(name)
    path = folder / f"{name}.yaml"
    if path.with_suffix(".csv").exists():
        raise NasError(f"target {name}: {folder} has a table of that name; choose another name")
    return path
