"""A search space small enough to enumerate."""

from itertools import product
from typing import Any

from nas.space import SearchSpace

TINY: dict[str, Any] = {
    "name": "tiny",
    "classes": 10,
    "resolution": [16, 24],
    "stem": [{"kind": "conv", "out": [8, 16]}],
    "prune": [0, 0.5],
    "choices": {"kernel": [3, 5], "expansion": [2, 4], "squeeze": [0.25, 0.5]},
    "stages": [
        {"block": ["depthwise", "inverted"], "width": [8, 16], "depth": [1, 2]},
        {"block": ["fire", "shuffle"], "width": 16, "depth": 1, "stride": 2},
    ],
    "head": [
        {"kind": "conv", "out": [16, 32], "kernel": 1},
        {"kind": "gap"},
        {"kind": "linear", "out": "classes"},
    ],
}


def assignments(space: SearchSpace) -> list[dict[str, Any]]:
    """Every assignment of a small space, by brute force."""
    values = product(*space.options.values())
    return [dict(zip(space.options, v, strict=True)) for v in values]
