"""The contents of a search space's YAML file: typed, frozen, checked once when it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from nas.blocks import Layer, Value, block_graph, kind
from nas.errors import NasError, one_of
from nas.validation import Settings

T = TypeVar("T")


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("at least one value is needed")
    if len({(type(v), v) for v in values}) < len(values):
        raise ValueError(f"values must differ, not {list(values)}")
    return values


# A list of distinct values; a single value stands for a list of one.
Choice = Annotated[tuple[T, ...], BeforeValidator(_as_list), AfterValidator(_distinct)]
Count = Annotated[int, Field(ge=1, strict=True)]
Ratio = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Scalar = StrictBool | StrictInt | StrictFloat | StrictStr | None
Choices = dict[str, Choice[Scalar]]


class StemSettings(Settings):
    """The first convolution."""

    width: Choice[Count]
    kernel: Count = 3
    stride: Count = 2
    act: str | None = "relu"


class HeadSettings(Settings):
    """The last 1x1 convolution, before global pooling and the classifier."""

    width: Choice[Count]
    act: str | None = "relu"


class StageSettings(Settings):
    """One stage: `stride` is that of its first layer; `choices` add to those of the space."""

    block: Choice[str]
    width: Choice[Count]
    depth: Choice[Count]
    stride: Count = 1
    choices: Choices = {}


class SpaceSettings(Settings):
    """The whole file. Widths are multiples of `divisor`, as pruned channel counts will be."""

    name: str
    about: str = ""
    channels: Count = 3
    classes: Count = 1000
    divisor: Count = 8
    resolution: Choice[Count]
    stem: StemSettings
    stages: Annotated[tuple[StageSettings, ...], Field(min_length=1)]
    head: HeadSettings
    prune: Choice[Ratio] = (0.0,)
    choices: Choices = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        widths = {"stem": self.stem.width, "head": self.head.width}
        widths |= {f"stages.{i}": stage.width for i, stage in enumerate(self.stages)}
        for where, values in widths.items():
            for width in values:
                if width % self.divisor:
                    raise ValueError(f"{where}.width: {width} is no multiple of {self.divisor}")
        for i in range(len(self.stages)):
            self._check_stage(i)
        for name in self.choices:
            if not any(name in kind(b).choices for stage in self.stages for b in stage.block):
                raise one_of("choices: setting", name, self._takes(range(len(self.stages))))
        return self

    def _takes(self, stages: Iterable[int]) -> set[str]:
        return {c for i in stages for b in self.stages[i].block for c in kind(b).choices}

    def _check_stage(self, i: int) -> None:
        """Every value of every choice is tried once, on a small input: nothing fails later."""
        stage = self.stages[i]
        for name in stage.block:
            if not kind(name).searchable:
                raise ValueError(f"stages.{i}.block: '{name}' has no width and stride to choose")
        for name in stage.choices:
            if name not in self._takes([i]):
                raise one_of(f"stages.{i}.choices: setting", name, self._takes([i]))
        for name in stage.block:
            choices = self.stage_choices(i, name)
            first = {key: values[0] for key, values in choices.items()}
            for key, values in choices.items():
                for value in values:
                    if not kind(name).choices[key].accepts(value):
                        types = " or ".join(t.__name__ for t in kind(name).choices[key].types)
                        raise ValueError(f"stages.{i}.choices.{key}: {value!r} must be {types}")
            trials = [first, *({**first, k: v} for k, vs in choices.items() for v in vs)]
            for width in stage.width:
                for settings in trials:
                    self._try(f"stages.{i}", name, width, stage.stride, settings)

    def _try(
        self, where: str, name: str, width: int, stride: int, settings: Mapping[str, Value]
    ) -> None:
        layers = [Layer(width, width, stride, p, self.divisor) for p in self.prune]
        layers.append(Layer(self.stem.width[0], width, stride, 0.0, self.divisor))
        for layer in layers:
            try:
                block_graph(kind(name).resolve(layer, settings), (layer.in_channels, 8, 8))
            except NasError as error:
                raise ValueError(f"{where}: {error}") from None

    def stage_choices(self, i: int, block_name: str) -> dict[str, tuple[Value, ...]]:
        """The choices that a kind takes in stage `i`: its own over those of the whole space."""
        merged = {**self.choices, **self.stages[i].choices}
        return {k: merged[k] for k in sorted(merged) if k in kind(block_name).choices}
