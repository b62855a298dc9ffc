"""`SearchSpace`: a YAML file of choices, and how an assignment of them becomes an `Architecture`.

Per stage the space chooses block kind, width, depth and the block's own settings, some of them for
every layer; per layer a channel-pruning ratio; for the network its resolution, stem and head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from nas.architecture import Architecture, Rows
from nas.blocks import Block, Layer, Value, kind
from nas.errors import NasError, one_of
from nas.resources import shipped
from nas.space_settings import CLASSES, RowSettings, SpaceSettings
from nas.validation import validated

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Params = Mapping[str, Any]
Options = dict[str, tuple[Any, ...]]


class Part:
    """The stem or the head of a space: rows with choices, perhaps in several variants."""

    def __init__(self, name: str, variants: dict[str, tuple[RowSettings, ...]], classes: int):
        self.name, self._variants, self._classes = name, variants, classes

    def options(self) -> Options:
        """Every choice of every variant, and the variant."""
        found: Options = {self.name: tuple(self._variants)}
        for variant in self._variants:
            for j, row in enumerate(self._variants[variant]):
                found |= {self._key(variant, j, k): v for k, v in row.choices.items()}
        return found

    def decode(self, params: Params) -> Rows:
        """The rows of an assignment."""
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
        """Every assignment of the part's options, each with the choices of one variant only."""
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


class SearchSpace:
    """A space of architectures; immutable. `settings` are the validated contents of its file."""

    def __init__(self, settings: SpaceSettings) -> None:
        self.settings = settings
        self.stem = Part("stem", settings.stem, settings.classes)
        self.head = Part("head", settings.head, settings.classes)

    @property
    def name(self) -> str:
        return self.settings.name

    @classmethod
    def load(cls, name: str | Path) -> SearchSpace:
        """A shipped space's name or a path to a YAML file. Errors: `NasError`: file, key, rule."""
        path = Path(name)
        if path.suffix not in (".yaml", ".yml"):
            if str(name) not in space_names():
                raise one_of("search space", str(name), space_names())
            path = shipped("search_spaces") / f"{name}.yaml"
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise NasError(f"search space {path}: {reason}") from None
        except (yaml.YAMLError, RecursionError) as error:
            text = " ".join(str(error).split())
            raise NasError(f"search space {path}: invalid YAML: {text}") from None
        return cls.from_dict(data, source=str(path))

    @classmethod
    def from_dict(cls, data: object, source: str = "search space") -> SearchSpace:
        """From the plain data of `to_dict`. Errors: `NasError` naming `source`, key and rule."""
        if not isinstance(data, dict):
            raise NasError(f"{source}: must be a mapping of settings, not {type(data).__name__}")
        return cls(validated(SpaceSettings, data, source))

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data; `from_dict` reads them back."""
        return self.settings.model_dump(mode="json")

    @cached_property
    def options(self) -> Options:
        """Every parameter with more than one value, in a fixed order."""
        s = self.settings
        found: Options = {"resolution": s.resolution, **self.stem.options()}
        for i, stage in enumerate(s.stages):
            deepest = max(stage.depth)
            whole: Options = {"block": stage.block, "depth": stage.depth}
            whole |= {"down": tuple(stage.down_rows), "width": stage.width}
            for name in stage.block:
                whole |= s.stage_choices(i, name)
            per_layer = s.chosen_per_layer(i)
            for key, values in whole.items():
                names = [f"{key}{j}" for j in range(deepest)] if key in per_layer else [key]
                found |= {f"stage{i}.{name}": values for name in names}
            found |= {f"stage{i}.prune{j}": s.prune for j in range(deepest)}
        found |= self.head.options()
        return {name: values for name, values in found.items() if len(values) > 1}

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The options as Optuna's distributions: evenly spaced numbers are ordered ones."""
        return {name: _distribution(values) for name, values in self.options.items()}

    def snap(self, params: Params) -> dict[str, Any]:
        """The assignment in the options' own values: a sampler's steps may be off by rounding."""
        return {
            name: value
            if value in self.options[name]
            else min(self.options[name], key=lambda option: abs(option - value))
            for name, value in params.items()
        }

    def sample_params(self, rng: np.random.Generator) -> dict[str, Value]:
        """One value of each option, uniformly."""
        draws = rng.random(len(self.options))
        return {
            name: values[int(u * len(values))]
            for (name, values), u in zip(self.options.items(), draws.tolist(), strict=True)
        }

    def sample(self, seed: int) -> Architecture:
        """A random architecture: every option uniform. The same seed gives the same one."""
        return self.decode(self.sample_params(np.random.default_rng(seed)))

    def decode(self, params: Params) -> Architecture:
        """The architecture of an assignment of `options`; those of inactive layers are ignored."""
        s = self.settings
        stem = self.stem.decode(params)
        channels = last_channels(stem, s.channels)
        stages = []
        for i in range(len(s.stages)):
            rows = self._stage_rows(i, params, channels)
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

    def _stage_rows(self, i: int, params: Params, channels: int) -> Rows:
        stage, prefix = self.settings.stages[i], f"stage{i}."
        shared, layered, downs = self._plans[i]
        name = params.get(prefix + "block", stage.block[0])
        depth = params.get(prefix + "depth", stage.depth[0])
        down = downs[params.get(prefix + "down", next(iter(downs)))]
        rows = [down] if down is not None and depth else []
        stride = 1 if rows else stage.stride
        same = {key: params.get(prefix + key, values[0]) for key, values in shared[name]}
        for j in range(depth):
            chosen = same | {
                key: params.get(f"{prefix}{key}{j}", values[0]) for key, values in layered[name]
            }
            prune = params.get(f"{prefix}prune{j}", self.settings.prune[0])
            row = self.row(name, channels, stride if j == 0 else 1, prune, chosen)
            rows.append(row)
            channels = row.get("out")  # type: ignore[assignment]
        return tuple(rows)

    def row(self, name: str, channels: int, stride: int, prune: float, chosen: Params) -> Block:
        """The row of a layer; `chosen` holds its `width` and its block's choices."""
        layer = Layer(channels, chosen["width"], stride, prune, self.settings.divisor)
        return _layer_row(name, layer, tuple(chosen.items()))

    @cached_property
    def _plans(self) -> list[tuple[Any, Any, dict[str, Block | None]]]:
        """Per stage and block kind: what is chosen once, what for each layer; the ways to begin."""
        plans = []
        for i, stage in enumerate(self.settings.stages):
            per_layer = self.settings.chosen_per_layer(i)
            shared, layered = {}, {}
            for name in stage.block:
                items = self.layer_choices(i, name).items()
                shared[name] = [item for item in items if item[0] not in per_layer]
                layered[name] = [item for item in items if item[0] in per_layer]
            plans.append((shared, layered, stage.down_rows))
        return plans

    def layer_choices(self, i: int, name: str) -> Options:
        """The choices of a layer of a kind in stage `i`, its width among them."""
        return {"width": self.settings.stages[i].width, **self.settings.stage_choices(i, name)}

    def encode(self, arch: Architecture) -> dict[str, Any]:
        """An assignment that decodes to `arch`. Errors: `NasError` naming the first part of it that
        the space cannot express."""
        from nas.space_encode import encode

        return encode(self, arch)

    @property
    def size(self) -> int:
        """The number of distinct assignments, counting only the options of active layers."""
        s = self.settings
        total = len(s.resolution)
        for part in (self.stem, self.head):
            total *= sum(1 for _ in part.assignments())
        for i, stage in enumerate(s.stages):
            shared, layered, downs = self._plans[i]
            total *= sum(
                1
                if depth == 0
                else len(downs)
                * sum(
                    prod(len(v) for _, v in shared[name])
                    * (len(s.prune) * prod(len(v) for _, v in layered[name])) ** depth
                    for name in stage.block
                )
                for depth in stage.depth
            )
        return total


def space_names() -> list[str]:
    """The names of the shipped spaces."""
    return sorted(path.stem for path in shipped("search_spaces").glob("*.yaml"))


def last_channels(rows: Rows, channels: int) -> int:
    """The output channels of rows, of which those without a width keep what they get."""
    for row in rows:
        if "out" in kind(row.kind).parameters:
            channels = row.get("out")  # type: ignore[assignment]
    return channels


@lru_cache(maxsize=1 << 15)
def _layer_row(name: str, layer: Layer, chosen: tuple[tuple[str, Value], ...]) -> Block:
    return kind(name).resolve(layer, {k: v for k, v in chosen if k != "width"})


@lru_cache(maxsize=1 << 12)
def _block(name: str, settings: tuple[tuple[str, Value], ...]) -> Block:
    return Block(name, **dict(settings))


def _distribution(values: tuple[Any, ...]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if all(type(v) in (int, float) for v in values):
        ordered = sorted(values)
        steps = np.diff(ordered)
        if np.allclose(steps, steps[0]):
            low, high, step = ordered[0], ordered[-1], steps[0].item()
            if all(type(v) is int for v in values):
                return IntDistribution(low, high, step=step)
            return FloatDistribution(low, high, step=step)
    return CategoricalDistribution(values)
