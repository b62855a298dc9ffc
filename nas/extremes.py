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

from nas.blocks import Block, Layer, block_graph, kind
from nas.graph import Shape
from nas.space import Params, SearchSpace

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
        s = self.space.settings
        resolution = self._end(s.resolution)
        states: _States = {}
        for width in s.stem.width:
            stem = Block("conv", out=width, kernel=s.stem.kernel, stride=s.stem.stride)
            shape, value = self._step(stem, (s.channels, resolution, resolution), 0.0)
            self._better(states, shape, value, {"resolution": resolution, "stem.width": width})
        for i in range(len(s.stages)):
            states = self._stage(i, states)
        ends: _States = {}
        for shape, best in states.items():
            for width in s.head.width:
                last, value = shape, best.value
                for row in self.space.head(width):
                    last, value = self._step(row, last, value)
                self._better(ends, last, value, {**best.params, "head.width": width})
        (best,) = ends.values()
        first = {name: values[0] for name, values in self.space.options.items()}
        chosen = {name: v for name, v in best.params.items() if name in first}
        return Extreme(best.value, first | chosen)

    def _stage(self, i: int, states: _States) -> _States:
        stage = self.space.settings.stages[i]
        depth = self._end(stage.depth)
        found: _States = {}
        for name in stage.block:
            choices = self._extreme_choices(i, name, next(iter(states)))
            for width, (start, best) in product(stage.width, states.items()):
                shape, value = start, best.value
                for j in range(depth):
                    stride = stage.stride if j == 0 else 1
                    row = self._row(name, shape[0], width, stride, choices)
                    shape, value = self._step(row, shape, value)
                chosen = {"block": name, "width": width, "depth": depth, **choices}
                chosen |= {f"prune{j}": self.prune for j in range(depth)}
                prefixed = {f"stage{i}.{key}": v for key, v in chosen.items()}
                self._better(found, shape, value, best.params | prefixed)
        return found

    def _row(self, name: str, channels: int, out: int, stride: int, choices: Params) -> Block:
        layer = Layer(channels, out, stride, self.prune, self.space.settings.divisor)
        return kind(name).resolve(layer, choices)

    def _extreme_choices(self, i: int, name: str, shape: Shape) -> dict[str, Any]:
        """The block's own settings at which one layer of it is extreme."""
        stage, options = self.space.settings.stages[i], self.space.settings.stage_choices(i, name)
        ends = [_ends(values) for values in options.values()]
        candidates = [dict(zip(options, values, strict=True)) for values in product(*ends)]

        def value(choices: dict[str, Any]) -> float:
            row = self._row(name, shape[0], stage.width[0], stage.stride, choices)
            return self.sign * self.row_value(row, shape)

        return min(candidates, key=value)


def _ends(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return tuple({min(values): None, max(values): None})
    return values
