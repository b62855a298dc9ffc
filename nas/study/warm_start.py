"""Warm starts: networks that are known to be good, as assignments of a search's space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas.architecture import Architecture
from nas.space import SearchSpace
from nas.space.nearest import nearest
from nas.space.options import own_values
from nas.study.candidates import Candidates
from nas.study.networks import find_networks
from nas.study.storage.storage import Storage
from nas.support.errors import NasError, check_type, one_of

Assignment = dict[str, Any]
Start = str | Path | Architecture | Mapping[str, Any]
ONE = (str, Path, Architecture, Mapping)


def assignments(
    sources: Iterable[Start] | Start, candidates: Candidates, storage: Storage, seed: int
) -> tuple[Assignment, ...]:
    """Assignments within the budgets, none twice, of what to start from.

    A source is an assignment, an architecture, or what `find_networks` takes: a study, of which
    the Pareto front counts, a published network's name, a training's folder or a file. A network
    that the space cannot express is replaced by one near it. Errors: `NasError` for a source that
    is none of these.
    """
    rng = np.random.default_rng(seed)
    starts: dict[str, Assignment] = {}
    several = [sources] if isinstance(sources, ONE) else sources
    check_type(several, "start_from", "a list of networks", Iterable)
    for source in several:
        assert isinstance(candidates.space, SearchSpace)
        for assigned in _assigned(source, candidates.space, storage):
            candidate = candidates.feasible(assigned, rng)
            if candidate is not None:
                starts.setdefault(candidate.arch.hash, candidate.assignment)
    return tuple(starts.values())


def _assigned(source: Start, space: SearchSpace, storage: Storage) -> list[Assignment]:
    check_type(source, "start_from", "a list of networks, of their names or of assignments", *ONE)
    if isinstance(source, Mapping):
        return [_checked(source, space)]
    if isinstance(source, Architecture):
        return [nearest(space, source)]
    return [nearest(space, arch) for arch in find_networks(str(source), storage)]


def _checked(assigned: Mapping[str, Any], space: SearchSpace) -> Assignment:
    for name, value in assigned.items():
        if name not in space.options:
            raise one_of(f"start_from: option of space '{space.name}'", name, space.options)
        if value not in space.options[name]:
            allowed = ", ".join(map(str, space.options[name]))
            raise NasError(f"start_from: {name} {value!r} is none of {allowed}")
    return own_values(assigned, space.options)
