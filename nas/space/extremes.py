"""The smallest and the largest network of a space.

Every cost is a sum (or, for peak memory, a maximum) over rows that depend only on their settings
and input shape, so dynamic programming over the layers finds the extreme, keeping the best way to
each shape. To be quick it assumes that resolution and depth act one way, that all layers are pruned
alike, and that a block's own choices are extreme at their ends, whatever its shape. That is nearly
true of counts and less so of a measured latency, where a width that fits the registers can beat a
smaller one; so a coordinate descent over every option follows, from each pruning ratio and from a
few random networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from nas.blocks import Block, block_graph
from nas.graph import Shape
from nas.space.choices import Part
from nas.space.space import SearchSpace

RESTARTS = 6

RowValue = Callable[[Block, Shape], float]


class Extreme(NamedTuple):
    """The extreme value and an assignment of the space's options that reaches it."""

    value: float
    params: dict[str, Any]


class _Best(NamedTuple):
    value: float
    params: dict[str, Any]


_States = dict[Shape, _Best]


def smallest(
    space: SearchSpace, row_value: RowValue, *, peak: bool = False, restarts: int = RESTARTS
) -> Extreme:
    """The least value of any network of `space`; with `peak` rows combine by their maximum.

    Without `restarts` it is quicker, and less sure where costs are not monotone.
    """
    return _extreme(space, row_value, 1, peak, restarts)


def largest(
    space: SearchSpace, row_value: RowValue, *, peak: bool = False, restarts: int = RESTARTS
) -> Extreme:
    """The greatest value of any network of `space`; see `smallest`."""
    return _extreme(space, row_value, -1, peak, restarts)


def _extreme(
    space: SearchSpace, row_value: RowValue, sign: int, peak: bool, restarts: int
) -> Extreme:
    ratios = sorted(space.settings.prune, reverse=sign > 0)
    searches = [_Search(space, row_value, sign, peak, ratio) for ratio in ratios]
    found = [search.run() for search in (searches if restarts else searches[:1])]
    rng = np.random.default_rng(0)
    found += [searches[0].descend(space.sample_params(rng)) for _ in range(restarts)]
    return min(found, key=lambda one: sign * one.value)


class _Search:
    def __init__(
        self, space: SearchSpace, row_value: RowValue, sign: int, peak: bool, prune: float
    ) -> None:
        self.space, self.sign, self.peak = space, sign, peak
        self.row_value, self.prune = row_value, prune

    def _end(self, values: Iterable[Any]) -> Any:
        """The value at which a cost that grows with it is extreme."""
        return min(values) if self.sign > 0 else max(values)

    def _better(self, states: _States, shape: Shape, value: float, params: dict[str, Any]) -> None:
        known = states.get(shape)
        if known is None or self.sign * value < self.sign * known.value:
            states[shape] = _Best(value, params)

    def _step(self, row: Block, shape: Shape, value: float) -> tuple[Shape, float]:
        added, out = self._row(row, shape)
        return out, self._with(value, added)

    def _row(self, row: Block, shape: Shape) -> tuple[float, Shape]:
        return self.row_value(row, shape), block_graph(row, shape).output_shape

    def _with(self, value: float, added: float) -> float:
        return max(value, added) if self.peak else value + added

    def run(self) -> Extreme:
        space, s = self.space, self.space.settings
        resolution = self._end(s.resolution)
        start = {(s.channels, resolution, resolution): _Best(0.0, {"resolution": resolution})}
        states = self._part(space.stem, start)
        for i in range(len(s.stages)):
            states = self._stage(i, states)
        ends = self._part(space.head, states)
        best = min(ends.values(), key=lambda end: self.sign * end.value)
        first = {name: values[0] for name, values in space.options.items()}
        chosen = {name: v for name, v in best.params.items() if name in first}
        return self.descend(first | chosen)

    def _value(self, params: dict[str, Any]) -> float:
        return reduce(self._with, self.space.decode(params).walk(self._row), 0.0)

    def descend(self, params: dict[str, Any]) -> Extreme:
        """Changes one option at a time for the better until none helps."""
        best = Extreme(self._value(params), params)
        improved = True
        while improved:
            improved = False
            for name, values in self.space.options.items():
                for value in values:
                    trial = {**best.params, name: value}
                    found = self._value(trial)
                    if self.sign * found < self.sign * best.value:
                        best, improved = Extreme(found, trial), True
        return best

    def _part(self, part: Part, states: _States) -> _States:
        found: _States = {}
        for chosen in part.assignments():
            rows = part.decode(chosen)
            for start, best in states.items():
                shape, value = start, best.value
                for row in rows:
                    shape, value = self._step(row, shape, value)
                self._better(found, shape, value, best.params | chosen)
        return found

    def _stage(self, i: int, states: _States) -> _States:
        stage = self.space.settings.stages[i]
        found: _States = {}
        if 0 in stage.depth:
            for shape, best in states.items():
                self._better(found, shape, best.value, {**best.params, f"stage{i}.depth": 0})
        depth = self._end(d for d in stage.depth if d > 0) if max(stage.depth) else 0
        blocks = self._together(i, "block", stage.block)
        widths = self._together(i, "width", stage.width)
        downs = stage.down_rows.items() if depth else ()
        for (down, row), names, layer_widths in product(downs, blocks, widths):
            current: _States = {}
            for shape, best in states.items():
                shape, value = self._step(row, shape, best.value) if row else (shape, best.value)
                params = {**best.params, f"stage{i}.down": down, f"stage{i}.depth": depth}
                self._better(current, shape, value, params)
            stride = stage.stride if row is None else 1
            layers = [
                (name, {"width": width, **self._extreme_choices(i, name, next(iter(current)))})
                for name, width in product(names, layer_widths)
            ]
            for j in range(depth):
                current = self._layer(i, j, stride if j == 0 else 1, layers, current)
            for shape, best in current.items():
                self._better(found, shape, best.value, best.params)
        return found

    def _together(self, i: int, key: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """The values that layers of one stage may have side by side: all, or one at a time."""
        if key in self.space.settings.chosen_per_layer(i):
            return [values]
        return [(value,) for value in values]

    def _layer(
        self, i: int, j: int, stride: int, layers: list[tuple[str, dict[str, Any]]], states: _States
    ) -> _States:
        per_layer = self.space.settings.chosen_per_layer(i)
        found: _States = {}
        for name, chosen in layers:
            named = {
                f"stage{i}.{key}{j if key in per_layer else ''}": value
                for key, value in (*chosen.items(), ("block", name))
            }
            for start, best in states.items():
                row = self.space.row(name, start[0], stride, chosen)
                shape, value = self._step(row, start, best.value)
                self._better(found, shape, value, best.params | named)
        return found

    def _extreme_choices(self, i: int, name: str, shape: Shape) -> dict[str, Any]:
        """The block's own settings, and the pruning, at which one layer of it is extreme."""
        stage, options = self.space.settings.stages[i], self.space.settings.stage_choices(i, name)
        ends = [_ends(values) for values in options.values()]
        candidates = [dict(zip(options, values, strict=True)) for values in product(*ends)]

        def value(choices: dict[str, Any]) -> float:
            chosen = {"width": stage.width[0], "prune": self.prune, **choices}
            row = self.space.row(name, shape[0], stage.stride, chosen)
            return self.sign * self.row_value(row, shape)

        best: dict[str, Any] = min(candidates, key=value)
        return {"prune": self.prune, **best}


def _ends(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return tuple({min(values): None, max(values): None})
    return values
