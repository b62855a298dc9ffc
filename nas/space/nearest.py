"""`nearest`: the assignment of a network that a space expresses, or of one like it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import log
from typing import Any

from nas.architecture import Architecture, Rows
from nas.blocks import Block, kind
from nas.resolution import mean_side
from nas.space.choices import Choices, Part, last_channels
from nas.space.encode import encode
from nas.support.errors import NasError

MISSING = 2.0  # the distance of a row that the other network does not have
OTHER_KIND = 1.5  # between rows of two kinds; more than between any two of one kind


def nearest(space: Choices, arch: Architecture) -> dict[str, Any]:
    """The assignment of `arch`, or where the space cannot express it, one of a network near it.

    The latter comes of bringing each stage near to the rows that are at its scale, counted from
    the network's end: one option changes at a time while that helps.
    """
    return dict(_nearest(space, arch))


@lru_cache(maxsize=1 << 10)  # studies of one space begin with the same networks
def _nearest(space: Choices, arch: Architecture) -> dict[str, Any]:
    try:
        return encode(space, arch)
    except NasError:
        pass
    s = space.settings
    wanted = mean_side(arch.resolution)
    resolution = min(s.resolution, key=lambda size: abs(log(mean_side(size) / wanted)))
    params: dict[str, Any] = {"resolution": resolution}
    params |= _part(space.stem, arch.stem) | _part(space.head, arch.head)
    channels = last_channels(space.stem.decode(params), s.channels)
    for i, goal in enumerate(_goals(space, arch)):
        params |= _stage(space, i, channels, goal)
        channels = last_channels(space.stage_rows(i, params, channels), channels)
    first = {name: values[0] for name, values in space.options.items()}
    return first | {name: value for name, value in params.items() if name in first}


def _part(part: Part, goal: Rows) -> dict[str, Any]:
    return min(part.assignments(), key=lambda chosen: _distance(part.decode(chosen), goal))


def _stage(space: Choices, i: int, channels: int, goal: Rows) -> dict[str, Any]:
    prefix = f"stage{i}."
    options = {name: v for name, v in space.options.items() if name.startswith(prefix)}
    best = {name: values[0] for name, values in options.items()}
    least = _distance(space.stage_rows(i, best, channels), goal)
    improved = True
    while improved and least:
        improved = False
        for name, values in options.items():
            for value in values:
                if value == best[name]:
                    continue
                trial = {**best, name: value}
                distance = _distance(space.stage_rows(i, trial, channels), goal)
                if distance < least:
                    best, least, improved = trial, distance, True
    return best


def _goals(space: Choices, arch: Architecture) -> list[Rows]:
    """The rows that each stage of the space should be like: those between two reductions of the map
    are shared among the stages that are there."""
    theirs: list[list[Rows]] = [[]]
    for stage in arch.stages:
        if any(row.strides for row in stage):
            theirs.append([])
        theirs[-1].append(stage)
    mine: list[list[int]] = [[]]
    for i, settings in enumerate(space.settings.stages):
        if settings.stride > 1:
            mine.append([])
        mine[-1].append(i)
    while len(theirs) > len(mine):
        theirs[:2] = [theirs[0] + theirs[1]]
    theirs = [[] for _ in range(len(mine) - len(theirs))] + theirs
    goals = []
    for indices, stages in zip(mine, theirs, strict=True):
        goals += _shared(stages, len(indices))
    return goals


def _shared(stages: Sequence[Rows], parts: int) -> list[Rows]:
    """Stages in so many parts: whole ones where there are enough, else shares of all their rows."""
    if len(stages) >= parts:
        cuts = [len(stages) * i // parts for i in range(parts + 1)] if parts else []
        groups = [stages[a:b] for a, b in pairwise(cuts)]
        return [tuple(row for stage in group for row in stage) for group in groups]
    rows = [row for stage in stages for row in stage]
    cuts = [-(-len(rows) * i // parts) for i in range(parts + 1)]
    return [tuple(rows[a:b]) for a, b in pairwise(cuts)]


def _distance(rows: Rows, goal: Rows) -> float:
    """The difference of two lists of rows; poolings, which have no width, are compared apart."""
    layers, others = _layers(rows), _layers(goal)
    pooled = (len(layers) < len(rows)) != (len(others) < len(goal))
    total = MISSING * (abs(len(layers) - len(others)) + 1.2 * pooled)
    return total + sum(_row_distance(*pair) for pair in zip(layers, others, strict=False))


def _layers(rows: Rows) -> Rows:
    return tuple(row for row in rows if "out" in kind(row.kind).parameters)


@lru_cache(maxsize=1 << 15)
def _row_distance(row: Block, other: Block) -> float:
    if row.kind != other.kind:
        apart = _apart(row.get("out"), other.get("out"))
        return OTHER_KIND + 0.4 * apart / (1 + apart)
    apart = sum(_apart(row.get(name), other.get(name)) for name in kind(row.kind).parameters)
    return OTHER_KIND * apart / (1 + apart)


def _apart(a: object, b: object) -> float:
    """The difference of two settings, of logs where they are numbers."""
    if a == b:
        return 0.0
    if isinstance(a, int | float) and isinstance(b, int | float) and a > 0 and b > 0:
        return abs(log(a / b))
    return 0.5
