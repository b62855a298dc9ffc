"""What a search starts from: networks that are known to be good, as assignments of its space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from nas.architecture import Architecture, Rows
from nas.blocks import kind
from nas.references import reference, reference_names
from nas.space import SearchSpace
from nas.study.candidates import Candidates
from nas.study.storage.storage import SUFFIX, Storage, locate
from nas.study.study import Study
from nas.support.errors import NasError, one_of
from nas.support.files import read_text

Assignment = dict[str, Any]


def assignments(
    sources: Iterable[str | Mapping[str, Any]], candidates: Candidates, storage: Storage, seed: int
) -> tuple[Assignment, ...]:
    """Assignments within the budgets, none twice, of what to start from.

    A source is the name of a reference network, an architecture's JSON file, a study, of which the
    Pareto front is taken, or an assignment. A network that the space cannot express is replaced by
    one near it. Errors: `NasError` for a source that is none of these.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, Assignment] = {}
    for source in sources:
        for assigned in _assigned(source, candidates.space, storage):
            candidate = candidates.feasible(assigned, rng)
            if candidate is not None:
                found.setdefault(candidate.arch.hash, candidate.assignment)
    return tuple(found.values())


def _assigned(
    source: str | Mapping[str, Any], space: SearchSpace, storage: Storage
) -> list[Assignment]:
    if not isinstance(source, str):
        return [_checked(source, space)]
    return [nearest(space, arch) for arch in _networks(source, storage)]


def _checked(assigned: Mapping[str, Any], space: SearchSpace) -> Assignment:
    for name, value in assigned.items():
        if name not in space.options:
            raise one_of(f"start_from: option of space '{space.name}'", name, space.options)
        if value not in space.options[name]:
            allowed = ", ".join(map(str, space.options[name]))
            raise NasError(f"start_from: {name} {value!r} is none of {allowed}")
    return dict(assigned)


def _networks(name: str, storage: Storage) -> Sequence[Architecture]:
    if name in reference_names():
        return [reference(name)]
    place, study = locate(name, None) if name.endswith(SUFFIX) else (storage, name)
    if study in place.names():
        front = Study(place, place.open(study)).pareto()
        if not front:
            raise NasError(f"cannot start from study '{study}': it has no scored network yet")
        return [record.arch for record in front]
    path = Path(name)
    if path.suffix == SUFFIX or not (path.exists() or path.suffix == ".json"):
        raise one_of("network or study", name, [*reference_names(), *place.names()])
    text = read_text(path, name)
    try:
        return [Architecture.from_json(text)]
    except NasError as error:
        raise NasError(f"{path}: {error}") from None


def nearest(space: SearchSpace, arch: Architecture) -> Assignment:
    """The assignment of `arch`, or where the space cannot express it, one of a network near it.

    That is found by changing one option at a time while it brings the network nearer.
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
                found = _distance(space.decode(trial), arch)
                if found < least:
                    best, least, improved = trial, found, True
    return best


def _distance(a: Architecture, b: Architecture) -> float:
    """How much differs, layer by layer between two reductions of the map."""
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
    """Of two settings, in logs; at most 1."""
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
