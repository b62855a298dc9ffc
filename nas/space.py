"""`SearchSpace`: a YAML file of choices, and how an assignment of them becomes an `Architecture`.

Per stage the space chooses block kind, width, depth and the block's own settings; per layer a
channel-pruning ratio; for the network its resolution and the widths of stem and head.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from nas.architecture import Architecture
from nas.blocks import Block, Layer, Value, kind
from nas.errors import NasError, one_of
from nas.resources import shipped
from nas.space_settings import SpaceSettings
from nas.validation import validated

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Params = Mapping[str, Any]


class SearchSpace:
    """A space of architectures; immutable. `settings` are the validated contents of its file."""

    def __init__(self, settings: SpaceSettings) -> None:
        self.settings = settings

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
            raise NasError(f"search space {path}: invalid YAML: {_one_line(error)}") from None
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
    def options(self) -> dict[str, tuple[Value, ...]]:
        """Every parameter with more than one value, in a fixed order."""
        s = self.settings
        found: dict[str, tuple[Value, ...]] = {"resolution": s.resolution}
        found["stem.width"] = s.stem.width
        for i, stage in enumerate(s.stages):
            found |= {f"stage{i}.{k}": getattr(stage, k) for k in ("block", "width", "depth")}
            for name in stage.block:
                found |= {f"stage{i}.{k}": v for k, v in s.stage_choices(i, name).items()}
            found |= {f"stage{i}.prune{j}": s.prune for j in range(max(stage.depth))}
        found["head.width"] = s.head.width
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
        width = params.get("stem.width", s.stem.width[0])
        stem = Block("conv", out=width, kernel=s.stem.kernel, stride=s.stem.stride, act=s.stem.act)
        channels: Any = width
        stages = []
        for i, stage in enumerate(s.stages):
            prefix = f"stage{i}."
            name = params.get(prefix + "block", stage.block[0])
            out = params.get(prefix + "width", stage.width[0])
            depth = params.get(prefix + "depth", stage.depth[0])
            chosen = tuple(
                (key, params.get(prefix + key, values[0]))
                for key, values in self._stage_choices[i][name]
            )
            rows = []
            for j in range(depth):
                prune = params.get(f"{prefix}prune{j}", s.prune[0])
                layer = Layer(channels, out, stage.stride if j == 0 else 1, prune, s.divisor)
                row = _row(name, layer, chosen)
                rows.append(row)
                channels = row.get("out")
            stages.append(tuple(rows))
        return Architecture(
            resolution=params.get("resolution", s.resolution[0]),
            stem=(stem,),
            stages=tuple(stages),
            head=self.head(params.get("head.width", s.head.width[0])),
            channels=s.channels,
        )

    def head(self, width: Value) -> tuple[Block, ...]:
        """The rows of the head."""
        s = self.settings
        conv = Block("conv", out=width, kernel=1, act=s.head.act)
        return (conv, Block("gap"), Block("linear", out=s.classes))

    @cached_property
    def _stage_choices(self) -> list[dict[Any, list[tuple[str, tuple[Value, ...]]]]]:
        s = self.settings
        return [
            {name: list(s.stage_choices(i, name).items()) for name in stage.block}
            for i, stage in enumerate(s.stages)
        ]

    @property
    def size(self) -> int:
        """The number of distinct assignments, counting only the options of active layers."""
        s = self.settings
        total = len(s.resolution) * len(s.stem.width) * len(s.head.width)
        for i, stage in enumerate(s.stages):
            settings = sum(
                prod(len(values) for values in s.stage_choices(i, name).values())
                for name in stage.block
            )
            total *= len(stage.width) * settings * sum(len(s.prune) ** d for d in stage.depth)
        return total


def space_names() -> list[str]:
    """The names of the shipped spaces."""
    return sorted(path.stem for path in shipped("search_spaces").glob("*.yaml"))


@lru_cache(maxsize=1 << 15)
def _row(name: str, layer: Layer, choices: tuple[tuple[str, Value], ...]) -> Block:
    return kind(name).resolve(layer, dict(choices))


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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
