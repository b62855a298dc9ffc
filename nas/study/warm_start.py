"""Warm starts: networks that are known to be good, as assignments of a search's space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nas.space import SearchSpace
from nas.space.nearest import nearest
from nas.space.options import own_values
from nas.study.candidates import Candidates
from nas.study.networks import find_networks
from nas.study.storage.storage import Storage
from nas.support.errors import NasError, check_type, one_of

Assignment = dict[str, Any]


def assignments(
    sources: Iterable[str | Mapping[str, Any]], candidates: Candidates, storage: Storage, seed: int
) -> tuple[Assignment, ...]:
    """Assignments within the budgets, none twice, of what to start from.

    A source is an assignment, or what `find_networks` takes: a study, of which the Pareto front
    counts, a published network's name, a training's folder or a file. A network that the space
    cannot express is replaced by one near it. Errors: `NasError` for a source that is none of
    these.
    """
    rng = np.random.default_rng(seed)
    starts: dict[str, Assignment] = {}
    check_type(sources, "start_from", "a list of networks", Iterable)
    for source in [sources] if isinstance(sources, str) else sources:
        assert isinstance(candidates.space, SearchSpace)
        for assigned in _assigned(source, candidates.space, storage):
            candidate = candidates.feasible(assigned, rng)
            if candidate is not None:
                starts.setdefault(candidate.arch.hash, candidate.assignment)
    return tuple(starts.values())


def _assigned(
    source: str | Mapping[str, Any], space: SearchSpace, storage: Storage
) -> list[Assignment]:
    check_type(source, "start_from", "a list of names of networks or of assignments", str, Mapping)
    if not isinstance(source, str):
        return [_checked(source, space)]
    return [nearest(space, arch) for arch in find_networks(source, storage)]


def _checked(assigned: Mapping[str, Any], space: SearchSpace) -> Assignment:
    for name, value in assigned.items():
        if name not in space.options:
            raise one_of(f"start_from: option of space '{space.name}'", name, space.options)
        if value not in space.options[name]:
            allowed = ", ".join(map(str, space.options[name]))
            raise NasError(f"start_from: {name} {value!r} is none of {allowed}")
    return own_values(assigned, space.options)
