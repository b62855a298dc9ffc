"""The registry of block kinds, and `Block`: one row of an architecture.

A block is one function that writes nodes:

    @block("fire")
    def fire(net, x, *, out: int, squeeze: int, stride: int = 1): ...

Its keyword arguments are its settings; annotations and defaults are what a row is checked against.
A second, optional function beside it says how the choices of a search space become settings:

    @fire.layer
    def _(layer, *, squeeze: float = 0.125): return {"squeeze": layer.keep(squeeze * layer.out)}
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import UnionType
from typing import Any, ClassVar, NamedTuple, Union, get_args, get_origin, get_type_hints

from nas.graph import Builder, Graph, Shape
from nas.support.errors import NasError, file_of, located, one_of, shown
from nas.support.registry import Registry

Value = int | float | str | bool | None
Settings = dict[str, Value]
MAX_NUMBER = 1 << 24  # of any setting; beyond it costs leave the range of floating point


def make_divisible(value: float, divisor: int = 8) -> int:
    """Rounds channels to a multiple of `divisor`, not below 90% of them (MobileNetV2's rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class Layer(NamedTuple):
    """Where a layer stands in a search space: what a block's `layer` function may look at.

    No convolution is left fewer channels than `narrowest`, and pruning leaves hidden channels at
    least the share `narrowest_share` of the layer's output.
    """

    in_channels: int
    out: int
    stride: int
    prune: float
    divisor: int
    narrowest: int = 1
    narrowest_share: float = 0.0

    def round(self, channels: float) -> int:
        """`channels` as a legal channel count of the space."""
        return make_divisible(channels, self.divisor)

    def keep(self, channels: float, parts: int = 1) -> int:
        """What `left` leaves of `channels`, as a legal channel count."""
        return make_divisible(self.left(channels, parts), self.divisor)

    def left(self, channels: float, parts: int = 1) -> float:
        """What the pruning ratio leaves of hidden `channels` within the space's bounds; `parts` is
        how much narrower the block's narrowest convolution is than that."""
        least = min(channels, self.narrowest_share * self.out)
        return max(channels * (1 - self.prune), least, self.narrowest * parts)


class Parameter(NamedTuple):
    """A setting of a block: its types and its default (`inspect.Parameter.empty`: none)."""

    types: tuple[type, ...]
    default: Any

    def accepts(self, value: object) -> bool:
        if isinstance(value, bool):
            return bool in self.types
        return isinstance(value, self.types) or (isinstance(value, int) and float in self.types)


def _parameters(function: Callable[..., Any], given: int) -> dict[str, Parameter]:
    """The settings of a function that is `given` so many arguments beside them."""
    hints = get_type_hints(function)
    signature, parameters = inspect.signature(function).parameters, {}
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if beside := [name for name, p in signature.items() if p.kind in places][given:]:
        raise NasError(f"settings must come after a `*`: {', '.join(beside)}")
    for name, p in signature.items():
        if p.kind is p.KEYWORD_ONLY:
            hint = hints.get(name, int)
            types = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
            if not set(types) <= set(get_args(Value)):
                raise NasError(
                    f"setting '{name}' must be int, float, str, bool or None, not {hint}"
                )
            parameters[name] = Parameter(types, p.default)
    return parameters


class BlockKind:
    """A registered block function with its settings and its view of a search space."""

    def __init__(self, name: str, function: Callable[..., int]) -> None:
        self.name = name
        self.function = function
        self.parameters = _parameters(function, 2)
        self.layer(_hidden_layer if "hidden" in self.parameters else _plain_layer)

    def layer(self, function: Callable[..., Settings]) -> Callable[..., Settings]:
        """Registers how a space's choices become this block's settings (see the module's text)."""
        self._layer, self._layer_choices = function, _parameters(function, 1)
        return function

    @property
    def searchable(self) -> bool:
        """Whether it can be a layer of a stage: it has a width and a stride to be given."""
        return {"out", "stride"} <= self.parameters.keys()

    @property
    def choices(self) -> dict[str, Parameter]:
        """What a space may choose for this block besides kind, width, depth, stride and pruning."""
        fixed = {"out", "stride", "hidden"}
        passed = {k: p for k, p in self.parameters.items() if k not in fixed}
        return passed | self._layer_choices

    def resolve(self, layer: Layer, choices: Mapping[str, Value]) -> Block:
        """The explicit row for a layer of a search space; `choices` are names of `self.choices`."""
        own = self._layer_choices
        settings: Settings = {k: v for k, v in choices.items() if k not in own}
        settings |= {"out": layer.out, "stride": layer.stride}
        try:
            settings |= self._layer(layer, **{k: v for k, v in choices.items() if k in own})
        except NasError:
            raise
        except (Exception, SystemExit) as error:  # a mistake in a user's own block
            raise NasError(
                f"block '{self.name}': {located(error, file_of(self._layer))}"
            ) from error
        return Block(self.name, **settings)

    def canonical(self, settings: Mapping[str, object]) -> tuple[tuple[str, Value], ...]:
        """The settings checked, sorted and without those that equal their default."""
        kept: list[tuple[str, Value]] = []
        for name, value in sorted(settings.items()):
            parameter = self.parameters.get(name)
            if parameter is None:
                raise one_of(f"setting of block '{self.name}'", name, self.parameters)
            if not parameter.accepts(value):
                allowed = " or ".join(t.__name__ for t in parameter.types)
                given = f"{name}={shown(value)}"
                raise NasError(f"block '{self.name}': {given} must be of type {allowed}")
            if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
                raise NasError(
                    f"block '{self.name}': {name}={value!r:.40} must be at most {MAX_NUMBER}"
                )
            if value != parameter.default:
                kept.append((name, value))  # type: ignore[arg-type]
        for name, parameter in self.parameters.items():
            if parameter.default is inspect.Parameter.empty and name not in settings:
                raise NasError(f"block '{self.name}': setting '{name}' is missing")
        return tuple(kept)


def _hidden_layer(layer: Layer, *, expansion: float = 6.0) -> Settings:
    return {"hidden": layer.keep(expansion * layer.in_channels)}


def _plain_layer(layer: Layer) -> Settings:
    return {"out": layer.keep(layer.out)}


KINDS: Registry[BlockKind] = Registry("block")


def block(name: str) -> Callable[[Callable[..., int]], BlockKind]:
    """Registers a block function `(net, x, *, settings…) -> node` under `name`.

    Errors: `NasError` where the name is taken, or a setting is of no type that one can have or
    has no `*` before it.
    """

    def register(function: Callable[..., int]) -> BlockKind:
        return KINDS.register(name, BlockKind(name, function), function.__module__)

    return register


def kind(name: str) -> BlockKind:
    """The registered kind. Errors: `NasError` with the nearest name."""
    return KINDS[name]


class Block:
    """One row of an architecture: a kind and its settings, explicit and immutable.

    Interned: equal rows are the same object, so rows compare and hash at the cost of a pointer,
    which is what makes memoised costs cheap.
    """

    __slots__ = ("kind", "settings")
    kind: str
    settings: tuple[tuple[str, Value], ...]
    _interned: ClassVar[dict[tuple[str, tuple[tuple[str, Value], ...]], Block]] = {}

    def __new__(cls, kind_name: str, /, **settings: Value) -> Block:
        canonical = kind(kind_name).canonical(settings)
        key = (kind_name, canonical)
        interned = cls._interned.get(key)
        if interned is None:
            interned = super().__new__(cls)
            object.__setattr__(interned, "kind", kind_name)
            object.__setattr__(interned, "settings", canonical)
            interned = cls._interned.setdefault(key, interned)
        return interned

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Block is immutable: {name}")

    def __reduce__(self) -> tuple[Callable[..., Block], tuple[str, Settings]]:
        return _restore, (self.kind, dict(self.settings))

    def __repr__(self) -> str:
        return f"Block({', '.join([repr(self.kind), *(f'{k}={v!r}' for k, v in self.settings)])})"

    def get(self, name: str) -> Value:
        """The value of a setting, its default where the row does not give it."""
        value: Value = dict(self.settings).get(name, KINDS[self.kind].parameters[name].default)
        return value

    @property
    def strides(self) -> bool:
        """Whether it has a stride above 1."""
        return "stride" in KINDS[self.kind].parameters and self.get("stride") != 1

    def changed(self, **settings: Value) -> Block:
        """The same row but for these settings."""
        return Block(self.kind, **{**dict(self.settings), **settings})


def _restore(kind_name: str, settings: Settings) -> Block:
    return Block(kind_name, **settings)


@lru_cache(maxsize=1 << 7)
def block_graph(row: Block, input_shape: Shape) -> Graph:
    """The graph of one row for an input shape: a pure function, memoised.

    Errors: `NasError`, naming the row; `ShapeError` where the row cannot take that shape.
    """
    net, function = Builder(input_shape), KINDS[row.kind].function
    try:
        output = function(net, 0, **dict(row.settings))
        if not isinstance(output, int):
            raise NasError(f"a block must return the node of its result, not {output!r:.60}")
        return net.finish(output)
    except NasError as error:
        raise type(error)(f"{row} on input {input_shape}: {error}") from None
    except (Exception, SystemExit) as error:  # a mistake in a user's own block
        reason = located(error, file_of(function))
        raise NasError(f"{row} on input {input_shape}: {reason}") from error
