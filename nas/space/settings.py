"""The settings in a search space's YAML file: typed, frozen, checked once when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    WrapSerializer,
    model_validator,
)

from nas.architecture import MAX_ROWS, MAX_STAGES, check_most
from nas.blocks import Block, BlockKind, Layer, Value, block_graph, kind
from nas.resolution import Resolution, read_resolution
from nas.support.errors import NasError, one_of, shown
from nas.support.validation import Settings

T = TypeVar("T")
LAYER = ("block", "width")  # what may be chosen per layer besides a block's own choices
CLASSES = "classes"  # as a row's `out`: the number of classes of the space


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("at least one value is needed")
    if len({(type(v), repr(v)) for v in values}) < len(values):
        raise ValueError(f"values must differ, not {list(values)}")
    return values


def _not_negative(value: Value) -> Value:
    if isinstance(value, int | float) and not 0 <= value <= 65536:
        raise ValueError(f"a number must be from 0 to 65536, not {value!r:.40}")
    return value


# A list of distinct values; a single value stands for a list of one.
Choice = Annotated[tuple[T, ...], BeforeValidator(_as_list), AfterValidator(_distinct)]
Count = Annotated[int, Field(ge=1, le=65536, strict=True)]
Depth = Annotated[int, Field(ge=0, le=100, strict=True)]
Ratio = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Scalar = Annotated[
    StrictBool | StrictInt | StrictFloat | StrictStr | None, AfterValidator(_not_negative)
]
Choices = dict[str, Choice[Scalar]]


class RowSettings(Settings):
    """A row whose settings may have several values: `{kind: conv, out: [16, 24], stride: 2}`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: Choices = Field(init=False)

    kind: str

    @property
    def choices(self) -> Choices:
        """The values of each setting of the row."""
        return self.__pydantic_extra__

    @model_validator(mode="after")
    def _known(self) -> Self:
        first = {name: values[0] for name, values in self.choices.items()}
        for name, values in self.choices.items():
            for value in values:
                known = 1 if (name, value) == ("out", CLASSES) else value
                Block(self.kind, **{**first, **_without_classes(first), name: known})
        Block(self.kind, **{**first, **_without_classes(first)})
        return self


def _without_classes(settings: Mapping[str, Value]) -> dict[str, Value]:
    return {"out": 1} if settings.get("out") == CLASSES else {}


def _as_variants(value: object) -> object:
    return {"": value} if isinstance(value, list | tuple) else value


def _plainly(value: Any, plain: SerializerFunctionWrapHandler) -> Any:
    variants = plain(value)
    return variants[""] if set(variants) == {""} else variants


# Rows, or several lists of rows by name, one of which is chosen.
Part = Annotated[
    dict[str, Annotated[tuple[RowSettings, ...], Field(min_length=1)]],
    BeforeValidator(_as_variants),
    WrapSerializer(_plainly),
    Field(min_length=1),
]


class StageSettings(Settings):
    """One stage; its `choices` and `per_layer` add to those of the space.

    `down` is how the stage begins: `stride` gives its first layer the stage's stride; a row, such
    as a pooling, comes before the first layer, which then has stride 1. A stage of depth 0 is left
    out.
    """

    block: Choice[str]
    width: Choice[Count]
    depth: Choice[Depth]
    stride: Count = 1
    down: Choice[Literal["stride"] | RowSettings] = ("stride",)
    choices: Choices = {}
    per_layer: tuple[str, ...] = ()

    @property
    def down_rows(self) -> dict[str, Block | None]:
        """The row that each value of `down` puts first; None for `stride`."""
        rows: dict[str, Block | None] = {}
        for down in self.down:
            if isinstance(down, str):
                rows[down] = None
            else:
                settings = {name: values[0] for name, values in down.choices.items()}
                rows[down.kind] = Block(down.kind, **settings)
        return rows


class SpaceSettings(Settings):
    """The settings of a whole space. Widths and pruned channel counts are multiples of `divisor`.

    What pruning and squeezing leave of a layer's hidden channels is bounded: no convolution gets
    fewer than `narrowest`, and pruning leaves at least `narrowest_share` of the layer's width.

    A search begins with networks scaled by hand as the space expresses them, or where it lets the
    `families_beside` it, as they are.

    What `per_layer` names (choices, `width` or `block`) is chosen for each layer, and so is the
    pruning ratio; all else is chosen for each stage. A search scores by `proxies` unless it is
    given others; an empty list means the default ones.
    """

    name: str
    about: str = ""
    channels: Count = 3
    classes: Count = 1000
    divisor: Count = 8
    narrowest: Count = 8
    narrowest_share: Ratio = 0.25
    families_beside: bool = False
    resolution: Choice[Annotated[Resolution, PlainValidator(read_resolution)]]
    stem: Part
    stages: Annotated[tuple[StageSettings, ...], Field(min_length=1)]
    head: Part
    prune: Choice[Ratio] = (0.0,)
    choices: Choices = {}
    per_layer: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_most("stages", len(self.stages), MAX_STAGES)
        check_most("rows", sum(max(stage.depth) for stage in self.stages), MAX_ROWS)
        for i in range(len(self.stages)):
            self._check_stage(i)
        taken = {c for stage in self.stages for b in stage.block for c in kind(b).choices}
        for name in self.choices:
            if name not in taken:
                raise one_of("choices: setting", name, taken)
        for name in self.per_layer:
            known = {*LAYER, *self.choices, *(c for s in self.stages for c in s.choices)}
            if name not in known:
                raise one_of("per_layer:", name, known)
        return self

    def _check_stage(self, i: int) -> None:
        """Tries every value of every choice once, on a small input, so that none fails later."""
        stage, where = self.stages[i], f"stages.{i}"
        for width in stage.width:
            if width % self.divisor:
                raise ValueError(f"{where}.width: {width} is no multiple of {self.divisor}")
        for down in stage.down:
            if isinstance(down, RowSettings) and any(len(v) > 1 for v in down.choices.values()):
                raise ValueError(f"{where}.down: a row that begins a stage has no choices")
        if len(stage.down_rows) < len(stage.down):
            raise ValueError(f"{where}.down: rows must be of different kinds")
        if not all(kind(b).searchable for b in stage.block):
            raise ValueError(f"{where}.block: a layer must have a width and a stride to choose")
        taken = {c for b in stage.block for c in kind(b).choices}
        for name in stage.choices:
            if name not in taken:
                raise one_of(f"{where}.choices: setting", name, taken)
        for name in stage.per_layer:
            known = {*LAYER, *self.choices, *stage.choices}
            if name not in known:
                raise one_of(f"{where}.per_layer:", name, known)
        for name in stage.block:
            self._check_block(where, kind(name), self.stage_choices(i, name), stage)

    def _check_block(
        self,
        where: str,
        block: BlockKind,
        choices: Mapping[str, tuple[Value, ...]],
        stage: StageSettings,
    ) -> None:
        for key, values in choices.items():
            for value in values:
                if not block.choices[key].accepts(value):
                    types = " or ".join(t.__name__ for t in block.choices[key].types)
                    raise ValueError(f"{where}.choices.{key}: {shown(value)} must be {types}")
        first = {key: values[0] for key, values in choices.items()}
        trials = [first, *({**first, k: v} for k, vs in choices.items() for v in vs[1:])]
        for width in stage.width:
            layers = [self.layer(width, width, stage.stride, p) for p in self.prune]
            layers.append(self.layer(stage.width[0], width, stage.stride, 0.0))
            for layer in layers:
                for settings in trials:
                    try:
                        block_graph(block.resolve(layer, settings), (layer.in_channels, 8, 8))
                    except NasError as error:
                        raise ValueError(f"{where}: {error}") from None

    def layer(self, channels: int, width: int, stride: int, prune: float) -> Layer:
        """A layer of the space, which gets `channels`."""
        bounds = self.narrowest, self.narrowest_share
        return Layer(channels, width, stride, prune, self.divisor, *bounds)

    def stage_choices(self, i: int, block_name: str) -> dict[str, tuple[Value, ...]]:
        """The choices of a block kind in stage `i`: the stage's own replace those of the space."""
        merged = {**self.choices, **self.stages[i].choices}
        return {k: merged[k] for k in sorted(merged) if k in kind(block_name).choices}

    def chosen_per_layer(self, i: int) -> frozenset[str]:
        """The names of what stage `i` chooses for each of its layers; `prune` is always one."""
        return frozenset({"prune", *self.per_layer, *self.stages[i].per_layer})
