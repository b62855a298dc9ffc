"""Which networks the ground truth trains, in which order: any beginning of it is a fair sample."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import log
from typing import Any, NamedTuple

import numpy as np

from nas import Architecture, SearchSpace, cost
from nas.blocks import kind
from nas.resolution import mean_side

NETWORKS = 200
REPEATED = 5  # every fifth network has three seeds
SEEDS = 3
RESOLUTIONS = (20, 24, 28, 32)
MMACS = (1.0, 20.0)
POOL = 3000  # candidates for each group
NEAR = 60  # candidates whose MACs are near enough to the wanted ones
GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, fill an interval evenly at every length


class Planned(NamedTuple):
    """A network of the plan; `group` is the family of all its stages, or `mixed`."""

    number: int
    group: str
    arch: Architecture


@cache
def plan() -> tuple[Planned, ...]:
    """The networks, always the same ones.

    Groups take turns, every second network is mixed. Each network is, of those of its group with
    about the wanted multiply-adds (spread evenly over their logarithm), the one least like those
    before it in parameters, depth, mean width and resolution (parameters show the pruning).
    """
    base = SearchSpace.load("small").to_dict() | {"channels": 1, "resolution": RESOLUTIONS}
    families = base["stages"][0]["block"]
    groups = [group for family in families for group in (family, "mixed")]
    pools = {g: pool(base, g, seed, MMACS, POOL) for seed, g in enumerate(dict.fromkeys(groups))}
    table = {g: np.array([features(a) for a in archs]) for g, archs in pools.items()}
    everything = np.concatenate(list(table.values()))
    mean, deviation = everything.mean(0), everything.std(0)
    chosen: list[np.ndarray] = []
    found: list[Planned] = []
    low, high = map(log, MMACS)
    for number in range(NETWORKS):
        group = groups[number % len(groups)]
        values = (table[group] - mean) / deviation
        wanted = low + (high - low) * ((number + 0.5) * GOLDEN % 1)
        near = np.argsort(np.abs(table[group][:, 0] - wanted), kind="stable")[:NEAR]
        taken = {planned.arch.hash for planned in found}
        free = [i for i in near if pools[group][i].hash not in taken]
        best = free[least_alike(values[free], chosen)]
        chosen.append(values[best])
        found.append(Planned(number, group, pools[group][best]))
    return tuple(found)


def runs() -> list[tuple[Planned, int]]:
    """Every network of the plan with each of its seeds."""
    return with_seeds(plan(), REPEATED, SEEDS)


def with_seeds(plan: Sequence[Planned], repeated: int, seeds: int) -> list[tuple[Planned, int]]:
    """The networks of a plan, one in `repeated` of them with several seeds, close together."""
    ordered = []
    for planned in plan:
        ordered.append((planned, 0))
        if planned.number % repeated == repeated - 1:
            again = plan[planned.number - (planned.number // repeated) % repeated]
            ordered += [(again, seed) for seed in range(1, seeds)]
    return ordered


def depth(arch: Architecture) -> int:
    """The count of blocks in stages."""
    return sum(map(len, arch.stages))


def least_alike(values: np.ndarray, chosen: Sequence[np.ndarray]) -> int:
    """The row of `values` that is farthest from the nearest of `chosen`; the first without any."""
    distances = [min((float(np.abs(v - c).sum()) for c in chosen), default=0.0) for v in values]
    return int(np.argmax(distances))


def pool(
    base: dict[str, Any], group: str, seed: int, mmacs: tuple[float, float], size: int
) -> list[Architecture]:
    """Random networks of one family, or of several (`mixed`), within a range of multiply-adds."""
    data = dict(base)
    if group != "mixed":
        known = kind(group).choices
        data["stages"] = [{**stage, "block": [group]} for stage in base["stages"]]
        data["choices"] = {k: v for k, v in base["choices"].items() if k in known}
        data["per_layer"] = [k for k in base["per_layer"] if k in known]
    space = SearchSpace.from_dict(data)
    rng = np.random.default_rng(seed)
    found: dict[str, Architecture] = {}
    while len(found) < size:
        arch = space.decode(space.sample_params(rng))
        if mmacs[0] <= cost(arch).macs / 1e6 <= mmacs[1]:
            found[arch.hash] = arch
    return list(found.values())


def features(arch: Architecture) -> tuple[float, ...]:
    """log MMACs, log parameters, depth, log mean width, resolution."""
    found = cost(arch)
    shapes = [graph.output_shape[0] for path, graph in arch.row_graphs() if path[:6] == "stages"]
    width = log(sum(shapes) / len(shapes))
    return log(found.macs / 1e6), log(found.params), depth(arch), width, mean_side(arch.resolution)
