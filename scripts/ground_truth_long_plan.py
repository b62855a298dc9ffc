"""The plan of the longer truth: networks that cost alike, trained for long.

Three bands of multiply-adds and three sources take turns: `small`, a deeper and wider-ranging
space, and published families scaled by hand to the band. Any beginning of it is a fair sample.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from ground_truth_plan import RESOLUTIONS, Planned, depth, features, least_alike, pool, with_seeds
from scaled_networks import scaled

from nas import Architecture, SearchSpace
from nas.references.adapted import FAMILIES

BANDS = (2.0, 4.0, 8.0)  # MMACs
TOLERANCE = 0.05  # of the band's multiply-adds
TURNS = 60  # of the three sources: each published family in every band, whole and half as deep
REPEATED = 10  # every tenth network has two seeds
SEEDS = 2
CANDIDATES = 32  # for each source, group and band
NEAR = 8  # candidates whose depth is near enough to the wanted one
GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, fill an interval evenly at every length
PUBLISHED = "scaled"

TOO_CHEAP = {  # whose networks of `small` do not reach the last band
    ("small", 2): {"depthwise", "shuffle", "shuffle_v1", "squeezenext"}
}

_SMALL = SearchSpace.load("small").to_dict() | {"channels": 1, "resolution": RESOLUTIONS}
_STAGE = {"block": _SMALL["stages"][0]["block"]}
SPACES = {
    "small": _SMALL,
    "deep": _SMALL
    | {
        "name": "deep",
        "stem": [{"kind": "conv", "out": [8, 16, 24, 32], "stride": [1, 2], "act": "relu6"}],
        "choices": {
            "kernel": [3, 5, 7],
            "expansion": [1, 2, 3, 4, 6],
            "squeeze": [0.125, 0.25, 0.5],
            "se": [0, 0.25],
            "act": ["relu", "hswish"],
        },
        "per_layer": ["kernel", "expansion"],
        "stages": [
            _STAGE | {"stride": 1, "width": [8, 16, 24, 32], "depth": [1, 2, 3]},
            _STAGE | {"stride": 2, "width": [16, 24, 32, 48, 64], "depth": [1, 2, 3, 4, 5, 6]},
            _STAGE | {"stride": 2, "width": [32, 48, 64, 96, 128], "depth": [2, 3, 4, 5, 6, 7, 8]},
            _STAGE | {"stride": 1, "width": [48, 64, 96, 128, 160], "depth": [0, 2, 3, 4, 5, 6]},
            _STAGE | {"stride": 2, "width": [64, 96, 128, 192, 256, 320], "depth": [1, 2, 3, 4]},
        ],
        "head": {
            "v2": [
                {"kind": "conv", "out": [64, 128, 256, 512], "kernel": 1, "act": "relu6"},
                {"kind": "gap"},
                {"kind": "linear", "out": "classes"},
            ],
            "v3": [
                {"kind": "conv", "out": [128, 256, 512], "kernel": 1, "act": "hswish"},
                {"kind": "gap"},
                {"kind": "linear", "out": [256, 512], "act": "hswish"},
                {"kind": "linear", "out": "classes"},
            ],
        },
    },
}


@cache
def plan() -> tuple[Planned, ...]:
    """The networks, always the same ones; `group` is the source and the family or `mixed`.

    Each turn has one network of every source and one in every band; of the two from a space one is
    mixed, and the families take turns as the other. A network is, of those of its group and band
    with about the wanted depth, the one least like those before it in parameters, depth, mean width
    and resolution.
    """
    found: list[Planned] = []
    chosen: list[np.ndarray] = []
    for turn in range(TURNS):
        for place, source in enumerate((*SPACES, PUBLISHED)):
            band = (turn + place) % len(BANDS)
            if source == PUBLISHED:
                name = FAMILIES[turn % len(FAMILIES)]
                half = (turn + turn // len(FAMILIES)) % 2 == 1
                group, arch = f"{source} {name}", scaled(name, BANDS[band], half)
            else:
                family = "mixed" if (turn + place) % 2 else _family(source, band, turn)
                taken = {planned.arch.hash for planned in found}
                group = f"{source} {family}"
                arch = _chosen(source, family, band, turn, taken, chosen)
            chosen.append(_standard(arch))
            found.append(Planned(len(found), group, arch))
    return tuple(found)


def runs() -> list[tuple[Planned, int]]:
    """Every network of the plan with each of its seeds."""
    return with_seeds(plan(), REPEATED, SEEDS)


def _family(source: str, band: int, turn: int) -> str:
    """The family of the turn's network from a space: each in its turn within the band."""
    reached: list[str] = [
        name for name in _STAGE["block"] if name not in TOO_CHEAP.get((source, band), ())
    ]
    first = 2 * band + 3 * (source == "deep")  # other families begin in other bands
    return reached[(turn // (2 * len(BANDS)) + first) % len(reached)]


def _chosen(
    source: str, family: str, band: int, turn: int, taken: set[str], chosen: list[np.ndarray]
) -> Architecture:
    candidates = [arch for arch in _candidates(source, family, band) if arch.hash not in taken]
    candidates.sort(key=depth)
    wanted = int((turn // len(BANDS) + 0.5) * GOLDEN % 1 * (len(candidates) - NEAR + 1))
    near = candidates[wanted : wanted + NEAR]
    return near[least_alike(np.array([_standard(arch) for arch in near]), chosen)]


@cache
def _candidates(source: str, family: str, band: int) -> list[Architecture]:
    low, high = ((1 + t) * BANDS[band] for t in (-TOLERANCE, TOLERANCE))
    return pool(SPACES[source], family, band, (low, high), CANDIDATES)


def _standard(arch: Architecture) -> np.ndarray:
    """What networks are told apart by, each about as wide-spread as the others."""
    _, params, blocks, width, resolution = features(arch)
    return np.array([params / 0.7, np.log(blocks) / 0.4, width / 0.5, resolution / 4.5])
