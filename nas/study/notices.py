"""Notices of what happened to a study since it was last driven, for whoever goes on with it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from nas.latency import Target
from nas.plugins import PluginFile
from nas.space.files import SHIPPED, locate
from nas.study.storage.journal import ends_whole
from nas.study.study import Study
from nas.support.errors import NasError


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
    if (sentence := _target_notice(study)) is not None:
        sentences.append(sentence)
    path = study.storage.journal(study.name)
    if path and not ends_whole(path):
        sentences.append(
            f"the journal of study '{study.name}' ends in half a line; every trial before it is "
            "kept, and what was being stored is evaluated again"
        )
    return sentences


def _target_notice(study: Study) -> str | None:
    """A sentence where the study's target is no longer what it began with."""
    try:
        now, begun = Target.load(study.settings.target), study.target
    except NasError:
        return None  # it goes on with what it has kept, or says what is wrong
    if now.checksum == begun.checksum:
        return None
    again = f"nas resume {study.storage.named(study.name)} --repredict"
    return (
        f"target {study.settings.target} has changed since study '{study.name}' began, which goes "
        f"on with what it was then: {again} moves it to what it is now"
    )
