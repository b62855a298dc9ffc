"""`Choices`: the options that a space leaves open, and the network that an assignment gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

from nas.architecture import Architecture, Rows
from nas.blocks import Block, Layer, Value, kind
from nas.space.options import Options, Params, own_values
from nas.space.settings import CLASSES, RowSettings, SpaceSettings
from nas.support.errors import check_type


class Part:
    """The stem or the head of a space: rows with choices, in one variant or several."""

    def __init__(self, name: str, variants: dict[str, tuple[RowSettings, ...]], classes: int):
        self.name, self._variants, self._classes = name, variants, classes

    def options(self) -> Options:
        """The choice of variant, and every choice of every variant."""
        options: Options = {self.name: tuple(self._variants)}
        for variant in self._variants:
            for j, row in enumerate(self._variants[variant]):
                options |= {self._key(variant, j, k): v for k, v in row.choices.items()}
        return options

    def decode(self, params: Params) -> Rows:
        """The rows that an assignment gives."""
        variant = params.get(self.name, next(iter(self._variants)))
        rows = []
        for j, row in enumerate(self._variants[variant]):
            settings = {
                k: params.get(self._key(variant, j, k), values[0])
                for k, values in row.choices.items()
            }
            if settings.get("out") == CLASSES:
                settings["out"] = self._classes
            rows.append(_block(row.kind, tuple(settings.items())))
        return tuple(rows)

    def assignments(self) -> Iterator[dict[str, Any]]:
        """Yields every assignment of the part's options; each sets the choices of one variant."""
        for variant in self._variants:
            own = {
                self._key(variant, j, k): values
                for j, row in enumerate(self._variants[variant])
                for k, values in row.choices.items()
            }
            for values in product(*own.values()):
                yield {self.name: variant, **dict(zip(own, values, strict=True))}

    def _key(self, variant: str, j: int, setting: str) -> str:
        return f"{self.name}.{f'{variant}.' if variant else ''}{j}.{setting}"


class Choices:
    """The options of a space, and the architecture that an assignment gives; immutable."""

    def __init__(self, settings: SpaceSettings) -> None:
        self.settings = settings
        self.stem = Part("stem", settings.stem, settings.classes)
        self.head = Part("head", settings.head, settings.classes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choices) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    @cached_property
    def _text(self) -> str:
        """What spaces are told apart by: options that are in another order are another space."""
        return self.settings.model_dump_json()

    @property
    def name(self) -> str:
        """The name in the space's settings."""
        return self.settings.name

    @cached_property
    def options(self) -> Options:
        """Every parameter with more than one value, in a fixed order."""
        s = self.settings
        options: Options = {"resolution": s.resolution, **self.stem.options()}
        for i, stage in enumerate(s.stages):
            deepest = max(stage.depth)
            whole: Options = {"depth": stage.depth, "down": tuple(stage.down_rows)}
            whole["block"] = stage.block
            for name in stage.block:
                whole |= self.layer_choices(i, name)
            for key, values in (*whole.items(), ("prune", s.prune)):
                keys = [key]
                if key in s.chosen_per_layer(i):
                    keys = [f"{key}{j}" for j in range(deepest)]
                options |= {f"stage{i}.{k}": values for k in keys}
        options |= self.head.options()
        return {name: values for name, values in options.items() if len(values) > 1}

    def decode(self, params: Params) -> Architecture:
        """The architecture that an assignment of `options` gives; options of absent layers are
        ignored."""
        check_type(params, "an assignment", "a mapping of options to values", Mapping)
        s, params = self.settings, own_values(params, self.options)
        stem = self.stem.decode(params)
        channels = last_channels(stem, s.channels)
        stages = []
        for i in range(len(s.stages)):
            rows = self.stage_rows(i, params, channels)
            if rows:
                stages.append(rows)
                channels = last_channels(rows, channels)
        return Architecture(
            resolution=params.get("resolution", s.resolution[0]),
            stem=stem,
            stages=tuple(stages),
            head=self.head.decode(params),
            channels=s.channels,
        )

    def stage_rows(self, i: int, params: Params, channels: int) -> Rows:
        """The rows of stage `i`, none where it is absent, for an input of so many `channels`."""
        stage, prefix = self.settings.stages[i], f"stage{i}."
        plan = self._plans[i]
        depth = params.get(prefix + "depth", stage.depth[0])
        down = plan.downs[params.get(prefix + "down", next(iter(plan.downs)))]
        rows = [down] if down is not None and depth else []
        stride = 1 if rows else stage.stride
        for j in range(depth):
            ends = ("", str(j))
            name = params.get(f"{prefix}block{ends[plan.block_per_layer]}", stage.block[0])
            chosen = {
                key: params.get(f"{prefix}{key}{ends[per_layer]}", first)
                for key, first, per_layer in plan.layers[name]
            }
            row = self.row(name, channels, stride if j == 0 else 1, chosen)
            rows.append(row)
            channels = row.get("out")  # type: ignore[assignment]
        return tuple(rows)

    def row(self, name: str, channels: int, stride: int, chosen: Params) -> Block:
        """The row of one layer of block kind `name`; `chosen` has a value for each name of
        `layer_choices`."""
        s = self.settings
        bounds = s.divisor, s.narrowest, s.narrowest_share
        return _layer_row(name, channels, stride, bounds, tuple(chosen.items()))

    @cached_property
    def _plans(self) -> list[_Plan]:
        plans = []
        for i, stage in enumerate(self.settings.stages):
            per_layer = self.settings.chosen_per_layer(i)
            layers = {
                name: [
                    (key, values[0], key in per_layer)
                    for key, values in self.layer_choices(i, name).items()
                ]
                for name in stage.block
            }
            plans.append(_Plan(layers, "block" in per_layer, stage.down_rows))
        return plans

    def layer_choices(self, i: int, name: str) -> Options:
        """The choices of a layer of block kind `name` in stage `i`: width, pruning ratio and the
        kind's own settings."""
        s = self.settings
        return {"width": s.stages[i].width, "prune": s.prune, **s.stage_choices(i, name)}

    @property
    def size(self) -> int:
        """The number of distinct assignments; options of absent layers do not count."""
        s = self.settings
        total = len(s.resolution)
        for part in (self.stem, self.head):
            total *= sum(1 for _ in part.assignments())
        for i, stage in enumerate(s.stages):
            per_depth = [self._stage_size(i, depth) for depth in stage.depth if depth]
            total *= len(stage.down) * sum(per_depth) + (0 in stage.depth)
        return total

    def _stage_size(self, i: int, depth: int) -> int:
        per_layer = self.settings.chosen_per_layer(i)
        choices = [self.layer_choices(i, name) for name in self.settings.stages[i].block]
        layered = [prod(len(v) for k, v in c.items() if k in per_layer) for c in choices]
        shared = [{k: len(v) for k, v in c.items() if k not in per_layer} for c in choices]
        if "block" in per_layer:
            union = {k: n for lengths in shared for k, n in lengths.items()}
            shared, layered = [union], [sum(layered)]
        sizes: list[int] = [
            prod(s.values()) * n**depth for s, n in zip(shared, layered, strict=True)
        ]
        return sum(sizes)


class _Plan(NamedTuple):
    """How a stage is decoded: for each block kind its choices (name, first value, chosen per
    layer or not), whether the kind is chosen per layer, and the rows that may begin the stage."""

    layers: dict[str, list[tuple[str, Value, bool]]]
    block_per_layer: bool
    downs: dict[str, Block | None]


def last_channels(rows: Rows, channels: int) -> int:
    """The output channels of rows that get `channels`; a row without a width keeps its input's."""
    for row in rows:
        if "out" in kind(row.kind).parameters:
            channels = row.get("out")  # type: ignore[assignment]
    return channels


@lru_cache(maxsize=1 << 15)
def _layer_row(
    name: str,
    channels: int,
    stride: int,
    bounds: tuple[int, int, float],
    chosen: tuple[tuple[str, Any], ...],
) -> Block:
    choices = dict(chosen)
    layer = Layer(channels, choices.pop("width"), stride, choices.pop("prune"), *bounds)
    return kind(name).resolve(layer, choices)


@lru_cache(maxsize=1 << 12)
def _block(name: str, settings: tuple[tuple[str, Value], ...]) -> Block:
    return Block(name, **dict(settings))
