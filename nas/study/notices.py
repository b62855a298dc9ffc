"""Notices of what happened to a study since it was last driven, for whoever goes on with it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from nas.plugins import PluginFile
from nas.space.files import SHIPPED, locate
from nas.study.storage.journal import ends_whole
from nas.study.study import Study


def space_file(space: str | Path) -> PluginFile | None:
    """The file of a space, with its checksum, as a study notes it; None for a shipped one."""
    path, _ = locate(space)
    if path.parent == SHIPPED:
        return None
    return PluginFile(path=str(path.resolve()), sha256=sha256(path.read_bytes()).hexdigest())


def notices(study: Study) -> list[str]:
    """The sentences to show, one a matter; none of them keeps the study from going on."""
    sentences = []
    begun = study.settings.space_file
    if begun and Path(begun.path).is_file() and space_file(begun.path) != begun:
        sentences.append(
            f"space file {begun.path} has changed since study '{study.name}' began; "
            "it goes on with the space that it holds"
        )
    path = study.storage.journal(study.name)
    if path and not ends_whole(path):
        sentences.append(
            f"the journal of study '{study.name}' ends in half a line; every trial before it is "
            "kept, and what was being stored is evaluated again"
        )
    return sentences
