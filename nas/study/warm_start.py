"""Warm starts: networks that are known to be good, as assignments of a search's space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log
from typing import Any

import numpy as np

from nas.architecture import Architecture, Rows
from nas.blocks import kind
from nas.space import SearchSpace
from nas.study.candidates import Candidates
from nas.study.networks import find_networks
from nas.study.storage.storage import Storage
from nas.support.errors import NasError, one_of

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
    for source in sources:
        for assigned in _assigned(source, candidates.space, storage):
            candidate = candidates.feasible(assigned, rng)
            if candidate is not None:
                starts.setdefault(candidate.arch.hash, candidate.assignment)
    return tuple(starts.values())


def _assigned(
    source: str | Mapping[str, Any], space: SearchSpace, storage: Storage
) -> list[Assignment]:
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
    return dict(assigned)


def nearest(space: SearchSpace, arch: Architecture) -> Assignment:
    """The assignment of `arch`, or where the space cannot express it, one of a network near it.

    The latter comes of changing one option at a time while that brings the network nearer.
    """
    try:
        return space.encode(arch)
    except NasError:
        pass
    best = {name: values[0] for name, values in space.options.items()}
    least = _distance(space.decode(best), arch)
    improved = True
    while improved:
        improved = False
        for name, values in space.options.items():
            for value in values:
                trial = {**best, name: value}
                distance = _distance(space.decode(trial), arch)
                if distance < least:
                    best, least, improved = trial, distance, True
    return best


def _distance(a: Architecture, b: Architecture) -> float:
    """The difference of two networks, layer by layer between two reductions of the map."""
    mine, theirs = _levels(a), _levels(b)
    total = abs(log(a.resolution / b.resolution))
    for i in range(max(len(mine), len(theirs))):
        rows, others = (levels[i] if i < len(levels) else () for levels in (mine, theirs))
        total += 2 * abs(len(rows) - len(others))
        for row, other in zip(rows, others, strict=False):
            both = kind(row.kind).parameters.keys() & kind(other.kind).parameters.keys()
            total += 1 if row.kind != other.kind else 0
            total += sum(_apart(row.get(name), other.get(name)) for name in both)
    return total


def _apart(a: object, b: object) -> float:
    """The difference of two settings, of logs where they are numbers; at most 1."""
    if a == b:
        return 0.0
    if isinstance(a, int | float) and isinstance(b, int | float) and a > 0 and b > 0:
        return min(1.0, abs(log(a / b)))
    return 0.5


def _levels(arch: Architecture) -> list[Rows]:
    """The rows of stem and stages, grouped by the size of the map that they make, and the head."""
    levels: list[list[Any]] = [[]]
    for row in (*arch.stem, *(row for stage in arch.stages for row in stage)):
        if "stride" in kind(row.kind).parameters and row.get("stride") == 2:
            levels.append([])
        levels[-1].append(row)
    return [tuple(rows) for rows in (*levels, arch.head)]
