"""Approvals: the files of code that the user allows to run whenever something stored names them.

They are kept by the SHA-256 of their content in the user's own configuration: nothing that somebody
sends, such as a folder of studies, can add to them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from nas.support.errors import NasError
from nas.support.files import read_text, write_whole
from nas.support.validation import Settings, validated

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Approvals(Settings):
    """The contents of the file: the path that each content had when it was approved."""

    plugins: dict[Sha256, str] = {}


def config_folder() -> Path:
    """The user's configuration: `NAS_CONFIG`, or `hw-nas` where the system keeps such folders."""
    own, base = os.environ.get("NAS_CONFIG"), os.environ.get("XDG_CONFIG_HOME", "")
    if own:
        return Path(own)
    if os.path.isabs(base):
        return Path(base) / "hw-nas"
    return Path(os.path.expanduser("~")) / ".config" / "hw-nas"


def approvals() -> dict[str, str]:
    """The approved contents with their paths. Errors: `NasError` where the file is damaged."""
    path = _place()
    if not path.exists():
        return {}
    source = f"approvals {path}"
    return dict(validated(_Approvals, read_text(path, source), source).plugins)


def approve(path: str, sha256: str) -> None:
    """Remembers a content. Errors: `NasError` where the file cannot be read or written."""
    _write(approvals() | {sha256: path})


def withdraw(which: str) -> None:
    """Forgets a content, given by its checksum or by the path that it had; all that had it.

    Errors: `NasError` where there is none.
    """
    known = approvals()
    kept = {sha: path for sha, path in known.items() if which not in (sha, path)}
    if kept == known:
        raise NasError(f"plugin {which} is not among those that are allowed; see: nas plugins")
    _write(kept)


def _write(plugins: dict[str, str]) -> None:
    write_whole(_place(), _Approvals(plugins=plugins).model_dump_json(indent=1))


def _place() -> Path:
    return config_folder() / "plugins.json"
