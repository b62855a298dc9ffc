"""The smallest and the largest network, for values that no descent alone would find."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from random import Random
from typing import Any

import pytest
from tiny import TINY, assignments

from nas.blocks import Block, block_graph
from nas.graph import Shape
from nas.space import SearchSpace
from nas.space.extremes import RowValue, largest, smallest

POOL = {"kind": "maxpool", "padding": 0, "ceil": True}
# What is chosen per layer here has no order, and nothing else is chosen: the layers' dynamic
# programme must be exact, whatever the rows' values are.
LAYERS = {
    **TINY,
    "resolution": 16,
    "prune": 0.0,
    "choices": {},
    "per_layer": ["block", "width"],
    "stages": [
        {"block": ["depthwise", "fire"], "width": [8, 16], "depth": 3, "stride": 2},
        {"block": "depthwise", "width": [8, 24], "depth": 2, "down": ["stride", POOL], "stride": 2},
    ],
    "head": [{"kind": "gap"}, {"kind": "linear", "out": "classes"}],
}


# Networks whose outputs have several shapes, with a stage that may be left out.
OPTIONAL = {"block": "depthwise", "width": 8, "depth": [0, 1]}
ENDS = {
    **LAYERS,
    "stages": [LAYERS["stages"][0], OPTIONAL],
    "head": [{"kind": "conv", "out": [8, 16, 24]}],
}


def any_value(seed: int) -> RowValue:
    """An arbitrary value for each row on each shape."""
    return lambda row, shape: Random(f"{seed} {row} {shape}").randrange(1000)


def rows_of(space: SearchSpace, params: dict[str, Any]) -> list[tuple[Block, Shape]]:
    arch = space.decode(params)
    shape, found = arch.input_shape, []
    for row in arch.rows():
        found.append((row, shape))
        shape = block_graph(row, shape).output_shape
    return found


@pytest.mark.parametrize("combine", [sum, max])
@pytest.mark.parametrize(("data", "seed"), [(LAYERS, 0), (LAYERS, 1), (ENDS, 0), (ENDS, 1)])
def test_any_values_of_rows_have_their_extremes_found(
    data: dict[str, Any], combine: Callable[[list[float]], float], seed: int
) -> None:
    space, value = SearchSpace.from_dict(data), any_value(seed)
    totals = [
        combine([value(*at) for at in rows_of(space, params)]) for params in assignments(space)
    ]
    for find, limit in ((smallest, min(totals)), (largest, max(totals))):
        found = find(space, value, peak=combine is max, restarts=0)
        assert found.value == limit
        assert combine([value(*at) for at in rows_of(space, found.params)]) == limit
        assert all(found.params[name] in values for name, values in space.options.items())


NEVER = {**TINY["stages"][1], "depth": 0, "down": ["stride", POOL]}


@pytest.mark.parametrize("last", [TINY["stages"][1], NEVER], ids=["there", "left out"])
def test_only_rows_of_the_space_are_asked_about(last: dict[str, Any]) -> None:
    """A stage whose only depth is 0 has no row, nor has what would come before its first layer."""
    stages = [{**TINY["stages"][0], "stride": 2}, last]
    space = SearchSpace.from_dict({**TINY, "stages": stages})
    known = {at for params in assignments(space) for at in rows_of(space, params)}
    asked = set()

    def value(row: Block, shape: Shape) -> float:
        asked.add((row, shape))
        return len(str(row))

    for find, restarts in product((smallest, largest), (0, 2)):
        find(space, value, restarts=restarts)
    assert asked <= known


def test_the_quick_search_prunes_most_for_the_smallest() -> None:
    """Of two layers that are equally large, pruning one alone changes no peak."""
    stage = {"block": "inverted", "width": 16, "depth": 3}
    stem = [{"kind": "conv", "out": 16}]
    changes = {"prune": [0, 0.25, 0.5], "choices": {}, "stem": stem, "stages": [stage]}
    space = SearchSpace.from_dict({**TINY, **changes})

    def hidden(row: Block, shape: Shape) -> float:
        return float(row.get("hidden")) if row.kind == "inverted" else 0.0  # type: ignore[arg-type]

    peaks = [max(hidden(*at) for at in rows_of(space, p)) for p in assignments(space)]
    assert smallest(space, hidden, peak=True, restarts=0).value == min(peaks)
    assert largest(space, hidden, peak=True, restarts=0).value == max(peaks)
    assert min(peaks) < max(peaks)


@pytest.mark.parametrize("seed", range(4))
def test_no_single_option_makes_an_extreme_more_so(seed: int) -> None:
    """Whatever the rows' values are; those of a resolution or a pruning need not grow with it."""
    space, value = SearchSpace.from_dict(TINY), any_value(seed)

    def total(params: dict[str, Any]) -> float:
        return sum(value(*at) for at in rows_of(space, params))

    for find, sign in ((smallest, 1), (largest, -1)):
        found = find(space, value, restarts=0)
        assert set(found.params) == set(space.options)
        assert found.value == total(found.params)
        for name, values in space.options.items():
            for one in values:
                assert sign * total({**found.params, name: one}) >= sign * found.value


def test_random_starts_find_what_no_pruning_ratio_leads_to() -> None:
    """Values of every kind of option are arbitrary: only starting in several places helps."""
    stage = {"block": "inverted", "width": [8, 16], "depth": [1, 2]}
    space = SearchSpace.from_dict({**TINY, "choices": {}, "stages": [stage]})
    quick, thorough = [
        [smallest(space, any_value(seed), restarts=restarts).value for seed in range(8)]
        for restarts in (0, 6)
    ]
    assert all(b <= a for a, b in zip(quick, thorough, strict=True))
    assert thorough != quick
