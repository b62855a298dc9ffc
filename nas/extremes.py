"""The smallest and the largest network of a space, found by dynamic programming over its layers.

Every cost is a sum (or, for peak memory, a maximum) over rows that depend only on their settings
and input shape, so the best way to reach each shape is all that has to be kept from layer to layer.

Assumed of every cost, and true of the shipped ones: more resolution, more layers or less pruning
never make a network cheaper, and a numeric choice of a block is cheapest at one of its ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, NamedTuple

from nas.blocks import Block, block_graph
from nas.graph import Shape
from nas.space import Part, SearchSpace

RowValue = Callable[[Block, Shape], float]


class Extreme(NamedTuple):
    """The extreme value and an assignment of the space's options that reaches it."""

    value: float
    params: dict[str, Any]


class _Best(NamedTuple):
    value: float
    params: dict[str, Any]


_States = dict[Shape, _Best]


def smallest(space: SearchSpace, row_value: RowValue, *, peak: bool = False) -> Extreme:
    """The least value of any network of `space`; with `peak` rows combine by their maximum."""
    return _Search(space, row_value, sign=1, peak=peak).run()


def largest(space: SearchSpace, row_value: RowValue, *, peak: bool = False) -> Extreme:
    """The greatest value of any network of `space`; with `peak` rows combine by their maximum."""
    return _Search(space, row_value, sign=-1, peak=peak).run()


class _Search:
    def __init__(self, space: SearchSpace, row_value: RowValue, sign: int, peak: bool) -> None:
        self.space, self.sign, self.peak = space, sign, peak
        self.row_value = row_value
        self.prune = self._end(space.settings.prune, -1)

    def _end(self, values: Iterable[Any], direction: int = 1) -> Any:
        """The value at which the cost is extreme, for a cost that grows (+1) or falls (-1)."""
        return min(values) if self.sign * direction > 0 else max(values)

    def _better(self, states: _States, shape: Shape, value: float, params: dict[str, Any]) -> None:
        known = states.get(shape)
        if known is None or self.sign * value < self.sign * known.value:
            states[shape] = _Best(value, params)

    def _step(self, row: Block, shape: Shape, value: float) -> tuple[Shape, float]:
        added = self.row_value(row, shape)
        out = block_graph(row, shape).output_shape
        return out, (max(value, added) if self.peak else value + added)

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
        return Extreme(best.value, first | chosen)

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
