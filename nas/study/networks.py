"""A network by whatever names it: a published one, a study or its trial, a training, a file."""

from __future__ import annotations

import os
from pathlib import Path

from nas import plugins
from nas.architecture import Architecture
from nas.blocks import KINDS
from nas.imported import Network
from nas.networks import find_network as find_published_or_file
from nas.networks import made_here
from nas.references import reference_names
from nas.resolution import Resolution
from nas.space import SearchSpace
from nas.study.finalists import read_finalists
from nas.study.storage.storage import SUFFIX, Storage, locate
from nas.study.study import Study
from nas.support.errors import NasError, one_of
from nas.training.checkpoint import is_training, read_state


def find_study(name: str, storage: Storage | str | None = None) -> Study | None:
    """The study of that name or of a journal's path, of STUDY:TRIAL too, without its plugins.

    None where there is none, or where a published network has the name.
    """
    name, _ = split_trial(name, storage)
    where, known = locate(name, storage)
    if name in reference_names() or known not in where.names():
        return None
    return Study.open(where, known)


def load_study(name: str, storage: str | None = None) -> Study:
    """An existing study to be looked at: its plugins are loaded where its networks need them, so
    not for a sampler or a proxy, whose file may be gone.

    Errors: `NasError`; see `Study.load`.
    """
    study = Study.open(*locate(name, storage))
    load_blocks(study)
    return study


def load_blocks(study: Study) -> None:
    """Loads a study's plugins, unless its blocks are shipped ones or those of its own plugins."""
    try:
        space = study.space
    except NasError:  # perhaps a block is not registered
        space = None
    if isinstance(space, SearchSpace):
        providers = plugins.providers((KINDS, space.kinds))
        if {file.sha256 for file in providers} <= {f.sha256 for f in study.settings.plugins}:
            return
    study.load_plugins()


def split_trial(name: str, storage: Storage | str | None = None) -> tuple[str, int | None]:
    """The study and the trial of STUDY:TRIAL; without a trial whatever else the name is, which is
    a study's or a file's before it is that."""
    study, colon, number = name.rpartition(":")
    if not (study and colon and number.isascii() and number.isdecimal()):
        return name, None
    where, whole = locate(name, storage)
    if os.path.exists(name) or whole in where.names():
        return name, None
    return study, int(number)


def training_of(name: str) -> Path | None:
    """The folder of a training that a name is, unless a published network has the name."""
    return Path(name) if name and name not in reference_names() and is_training(name) else None


def trained_folder(name: str, storage: Storage | str | None = None) -> Path | None:
    """The folder of the training that a name means: that folder, or the finalist that a study's
    trial, or its best finalist, became. None where there is none."""
    if folder := training_of(name):
        return folder
    study, (_, trial) = find_study(name, storage), split_trial(name, storage)
    finalists = read_finalists(study) if study else []
    done = [each for each in finalists if not each.pruned and trial in (None, each.record.trial)]
    return done[0].folder if done else None


def find_network(
    name: str, resolution: Resolution | None = None, storage: Storage | str | None = None
) -> tuple[Network, Study | None]:
    """The network of that name, and its study if it is one's.

    Of a study it is the best, or its trial of that number, with the plugins that it needs loaded;
    of a training's folder the one that is trained there. `resolution` is the input size of a
    published network, its own unless given, or of an ONNX file that leaves it open. Errors:
    `NasError`, with the nearest name where there is no such network.
    """
    if resolution is not None:
        check_chosen(name, resolution, storage)
    study = find_study(name, storage)
    if study is None:
        return _without_study(name, resolution, storage), None
    load_blocks(study)
    _, trial = split_trial(name, storage)
    return study.network(study.record(trial)), study


def check_chosen(name: str, resolution: Resolution, storage: Storage | str | None = None) -> None:
    """Errors: `NasError` where the network of that name has a resolution of its own: a study's, or
    one that is trained."""
    if is_training(name) or find_study(name, storage):
        raise NasError(
            f"--resolution {resolution}: only that of a reference network, or of an ONNX file that "
            "leaves it open, can be chosen"
        )


def find_networks(name: str, storage: Storage | str | None = None) -> list[Architecture]:
    """The Pareto front of the study of that name, or the one network that anything else names.

    Errors: `NasError`, also for a study without a scored network.
    """
    study = find_study(name, storage)
    if study is None:
        return [made_here(_without_study(name, None, storage), "a search")]
    if (trial := split_trial(name, storage)[1]) is not None:
        return [study.record(trial).arch]
    front = study.pareto()
    if not front:
        raise NasError(f"study '{study.name}' has no scored network yet")
    return [record.arch for record in front]


def _without_study(
    name: str, resolution: Resolution | None, storage: Storage | str | None
) -> Network:
    if folder := training_of(name):
        return Architecture.from_dict(read_state(folder).architecture)
    studies = locate(name, storage)[0].names()
    if (study := name.rpartition(":")[0]) in studies and not os.path.exists(name):
        raise NasError(f"{name!r:.200}: a trial of study '{study}' is a number, as in {study}:0")
    if name.endswith(SUFFIX):
        raise one_of("study", name, studies, lister="nas studies")
    return find_published_or_file(name, resolution, others=studies)
