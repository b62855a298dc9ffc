"""The smallest and the largest network of a space.

Every cost is a sum over rows (for peak memory, a maximum). A row's share depends only on its
settings and its input shape. So dynamic programming over the layers finds the extreme: it keeps the
best way to each shape. To be quick it assumes that cost only grows, or only falls, with resolution
and depth, that all layers are pruned alike, and that a block's own choices are extreme at their
ends, whatever its shape. That is nearly true of counts. It is less true of a measured latency,
where a width that fits the registers can beat a smaller one. So a coordinate descent over every
option follows, from each pruning ratio and from a few random networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from nas.blocks import Block, block_graph
from nas.graph import Shape
from nas.resolution import mean_side, sides
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
    """The network of `space` with the least value: the sum of its rows' `row_value`, or with `peak`
    their maximum.

    With `restarts=0` the search is quicker, and less sure where costs are not monotone.
    """
    return _extreme(space, row_value, 1, peak, restarts)


def largest(
    space: SearchSpace, row_value: RowValue, *, peak: bool = False, restarts: int = RESTARTS
) -> Extreme:
    """The network of `space` with the greatest value; see `smallest`."""
    return _extreme(space, row_value, -1, peak, restarts)


def _extreme(
    space: SearchSpace, row_value: RowValue, sign: int, peak: bool, restarts: int
) -> Extreme:
    ratios = sorted(space.settings.prune, reverse=sign > 0)
    searches = [_Search(space, row_value, sign, peak, ratio) for ratio in ratios]
    extremes = [search.run() for search in (searches if restarts else searches[:1])]
    rng = np.random.default_rng(0)
    extremes += [searches[0].descend(space.sample_params(rng)) for _ in range(restarts)]
    return min(extremes, key=lambda extreme: sign * extreme.value)


class _Search:
    def __init__(
        self, space: SearchSpace, row_value: RowValue, sign: int, peak: bool, prune: float
    ) -> None:
        self.space, self.sign, self.peak = space, sign, peak
        self.row_value, self.prune = row_value, prune

    def _end(self, values: Iterable[Any]) -> Any:
        """The end of `values` at which a cost that grows with them is extreme."""
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
        resolution = (min if self.sign > 0 else max)(s.resolution, key=mean_side)
        start = {(s.channels, *sides(resolution)): _Best(0.0, {"resolution": resolution})}
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
        """The extreme that is reached from `params` by changing one option at a time until no
        change helps."""
        best = Extreme(self._value(params), params)
        improved = True
        while improved:
            improved = False
            for name, values in self.space.options.items():
                for value in values:
                    if value == best.params[name]:
                        continue
                    trial = {**best.params, name: value}
                    reached = self._value(trial)
                    if self.sign * reached < self.sign * best.value:
                        best, improved = Extreme(reached, trial), True
        return best

    def _part(self, part: Part, states: _States) -> _States:
        ends: _States = {}
        for chosen in part.assignments():
            rows = part.decode(chosen)
            for start, best in states.items():
                shape, value = start, best.value
                for row in rows:
                    shape, value = self._step(row, shape, value)
                self._better(ends, shape, value, best.params | chosen)
        return ends

    def _stage(self, i: int, states: _States) -> _States:
        stage = self.space.settings.stages[i]
        ends: _States = {}
        if 0 in stage.depth:
            for shape, best in states.items():
                self._better(ends, shape, best.value, {**best.params, f"stage{i}.depth": 0})
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
                self._better(ends, shape, best.value, best.params)
        return ends

    def _together(self, i: int, key: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Groups of values that the layers of one stage may mix: all values where each layer
        chooses, else one value a group."""
        if key in self.space.settings.chosen_per_layer(i):
            return [values]
        return [(value,) for value in values]

    def _layer(
        self, i: int, j: int, stride: int, layers: list[tuple[str, dict[str, Any]]], states: _States
    ) -> _States:
        per_layer = self.space.settings.chosen_per_layer(i)
        ends: _States = {}
        for name, chosen in layers:
            named = {
                f"stage{i}.{key}{j if key in per_layer else ''}": value
                for key, value in (*chosen.items(), ("block", name))
            }
            for start, best in states.items():
                row = self.space.row(name, start[0], stride, chosen)
                shape, value = self._step(row, start, best.value)
                self._better(ends, shape, value, best.params | named)
        return ends

    def _extreme_choices(self, i: int, name: str, shape: Shape) -> dict[str, Any]:
        """The block's own settings, and the pruning ratio, at which one layer of it is extreme."""
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
