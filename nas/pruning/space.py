"""`PruningSpace`: what can be taken away from a parent, as options of a search.

The program makes it from the parent: a width for each set of channels that go together (every
multiple of the divisor up to the parent's), each residual block kept or left out, and a resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from math import ceil
from typing import Annotated, Any

import numpy as np
from pydantic import Field, PlainValidator

from nas.architecture import Architecture
from nas.blocks import Block, Value, block_graph
from nas.graph import Shape
from nas.pruning.children import (
    Ancestry,
    NoChild,
    check_rows,
    different,
    residual,
    with_rows,
)
from nas.pruning.widths import Width, widths, with_explicit
from nas.resolution import Resolution, mean_side, read_resolution, scaled, sides
from nas.space.options import Options, OptionSpace, Params, own_values
from nas.support.errors import NasError
from nas.support.validation import Settings, validated

FLOOR = 8  # the least width is the parent's over this
SPREAD = 0.25  # of random widths around what the whole network keeps
SHARE_SKIPPED = 0.15  # of residual blocks, in random networks
RESOLUTION = "resolution"
# Operations behind which a narrower network may pair other channels than the parent does.
REARRANGING = {"shuffle", "slice", "swap"}


class PruningSettings(Settings):
    """What a pruning space is made from; `resolutions` are those beside the parent's own."""

    name: str
    parent: dict[str, Any]
    divisor: Annotated[int, Field(ge=1, le=1024)] = 8
    resolutions: tuple[Annotated[Resolution, PlainValidator(read_resolution)], ...] = ()
    keep_depth: bool = False


class PruningSpace(OptionSpace):
    """The children of a parent. Options are `resolution`, each width by its largest setting's path,
    such as `stages.2.0.hidden`, and `stages.2.1.skip` for each residual block. Immutable."""

    def __init__(self, settings: PruningSettings) -> None:
        self.settings = settings
        self.parent = with_explicit(Architecture.from_dict(settings.parent))
        self._rows = tuple(self.parent.named_rows())

    @classmethod
    def of(
        cls,
        parent: Architecture,
        name: str,
        *,
        divisor: int = 8,
        keep_depth: bool = False,
        keep_resolution: bool = False,
    ) -> PruningSpace:
        """The space of a parent, with the resolutions of `resolutions_of` unless they are kept.
        Errors: `NasError` for a divisor that cannot be."""
        data = {
            "name": name,
            "parent": parent.to_dict(),
            "divisor": divisor,
            "resolutions": () if keep_resolution else resolutions_of(parent),
            "keep_depth": keep_depth,
        }
        return cls.from_dict(data, "prune")

    @classmethod
    def from_dict(cls, data: object, source: str) -> PruningSpace:
        """The space of `to_dict`'s plain data. Errors: `NasError` naming `source` and the key."""
        return cls(validated(PruningSettings, data, source))

    def to_dict(self) -> dict[str, Any]:
        return self.settings.model_dump(mode="json")

    @property
    def name(self) -> str:
        return self.settings.name

    @cached_property
    def widths(self) -> dict[str, Width]:
        """The widths that can be made smaller, by name."""
        return {width.name: width for width, values in self._widths if len(values) > 1}

    @cached_property
    def skips(self) -> dict[str, int]:
        """The numbers of the rows that can be left out, by the option's name."""
        if self.settings.keep_depth:
            return {}
        shape, found = self.parent.input_shape, {}
        for number, (path, row) in enumerate(self._rows):
            if residual(row, shape):
                found[f"{path}.skip"] = number
            shape = block_graph(row, shape).output_shape
        return found

    @cached_property
    def options(self) -> Options:
        sizes = sorted({*self.settings.resolutions, self.parent.resolution}, key=mean_side)
        options: Options = {RESOLUTION: tuple(sizes)} if len(sizes) > 1 else {}
        options |= dict.fromkeys(self.skips, (False, True))
        return options | {width.name: values for width, values in self._widths if len(values) > 1}

    @cached_property
    def _widths(self) -> list[tuple[Width, tuple[int, ...]]]:
        """Each width with its values: those by which the parent becomes a child, alone or where all
        the other widths are their least."""
        graph = self.parent.graph()
        delicate = any(
            node.op in REARRANGING or (node.op == "conv" and 1 < node.groups < node.shape[0])
            for node in graph.nodes
        )
        ancestry = Ancestry(self.parent) if delicate else None
        divisor, every, found = self.settings.divisor, widths(self.parent), []
        least = {w.name: (w, ceil(w.largest / FLOOR / divisor) * divisor) for w in every}
        least = {name: (w, min(value, w.largest)) for name, (w, value) in least.items()}
        for width in every:
            name, largest = width.name, width.largest
            own = [{name: (width, v)} for v in range(least[name][1], largest, divisor)]
            fit = [
                chosen[name][1]
                for chosen in own
                if self._fits(chosen, ancestry) or self._fits(least | chosen, ancestry)
            ]
            found.append((width, (*fit, largest)))
        return found

    def _fits(self, chosen: Mapping[str, tuple[Width, int]], ancestry: Ancestry | None) -> bool:
        try:
            child = self._built({}, chosen, self.parent.resolution)
            check_rows(self.parent, child)
            if ancestry is not None:
                ancestry.channels(child)
        except NasError:
            return False
        return True

    @cached_property
    def whole(self) -> dict[str, Any]:
        """The assignment of the parent itself."""
        skips = dict.fromkeys(self.skips, False)
        sizes = {RESOLUTION: self.parent.resolution}
        full = {name: values[-1] for name, values in self.options.items()} | sizes | skips
        return {name: full[name] for name in self.options}

    @cached_property
    def least(self) -> dict[str, Any]:
        """The assignment that takes away all that can be."""
        full = {name: values[0] for name, values in self.options.items()}
        return full | dict.fromkeys(self.skips, True)

    def decode(self, params: Params) -> Architecture:
        """The child of an assignment; what is not assigned is as in the parent.

        Where two widths together would change what a row does, as where equal ones would make a
        residual block of one that was none, those of the row are raised until they do not.
        """
        params = own_values(params, self.options)
        chosen = {n: params.get(n, width.largest) for n, width in self.widths.items()}
        size = params.get(RESOLUTION, self.parent.resolution)
        while True:
            named = {n: (self.widths[n], v) for n, v in chosen.items()}
            child = self._built(params, named, size)
            wrong = self._wrong(child)
            if wrong is None:
                return child
            chosen |= self._raised(wrong, chosen)

    def _built(
        self, params: Params, chosen: Mapping[str, tuple[Width, int]], resolution: Resolution
    ) -> Architecture:
        changed: dict[int, dict[str, int]] = {}
        for width, value in chosen.values():
            for member, own in width.values(value, self.settings.divisor):
                if own != member.value:
                    changed.setdefault(member.row, {})[member.setting] = own
        left_out = {number for name, number in self.skips.items() if params.get(name, False)}
        rows: list[Block] = []
        shape: Shape | None = (self.parent.channels, *sides(resolution))
        for number, (_, row) in enumerate(self._rows):
            if number in left_out and shape is not None:
                row = Block("skip", out=shape[0])
            elif number in changed:
                row = _changed(row, tuple(changed[number].items()))
            rows.append(row)
            shape = _shape(row, shape)
        return replace(with_rows(self.parent, rows), resolution=resolution, name="")

    def _wrong(self, child: Architecture) -> int | None:
        """The first row that is none of the parent's made smaller, None where there is none."""
        ours, theirs = self.parent.input_shape, child.input_shape
        for number, ((_, row), kept) in enumerate(zip(self._rows, child.rows(), strict=True)):
            compared = _smaller(row, ours, kept, theirs)
            if compared is None:
                return number
            ours, theirs = compared
        return None

    def _raised(self, row: int, chosen: Mapping[str, int]) -> dict[str, int]:
        """The next values of the widths of a row, or of one before it, that are not the parent's.

        Errors: `NoChild` where all are the parent's: the resolution cannot be.
        """
        for number in range(row, -1, -1):
            below = {
                name: values[values.index(chosen[name]) + 1]
                for name, values in self.options.items()
                if name in chosen
                and chosen[name] != values[-1]
                and any(member.row == number for member in self.widths[name].members)
            }
            if below:
                return below
        raise NoChild(f"{self._rows[row][0]} cannot be at the chosen resolution")

    def sample_params(self, rng: np.random.Generator) -> dict[str, Value]:
        """A random assignment: widths within a quarter of the parent's around a share that is drawn
        for the whole network, few blocks left out, any resolution. Networks of independent widths
        would all be alike."""
        share, drawn = rng.random(), {}
        for (name, values), u in zip(
            self.options.items(), rng.random(len(self.options)).tolist(), strict=True
        ):
            if name in self.skips:
                drawn[name] = u < SHARE_SKIPPED
            elif name in self.widths:
                place = (share + SPREAD * (2 * u - 1)) * len(values)
                drawn[name] = values[min(max(int(place), 0), len(values) - 1)]
            else:
                drawn[name] = values[int(u * len(values))]
        return drawn


def resolutions_of(parent: Architecture) -> tuple[Resolution, ...]:
    """The resolutions of the parent's shape that it can take, from half of its sides on, the longer
    one in steps that suit it."""
    own = max(sides(parent.resolution))
    step = 32 if own >= 128 else 8 if own >= 64 else 4
    found = []
    for side in range(ceil(own / 2 / step) * step, own, step):
        size = scaled(parent.resolution, side / own)
        try:
            check_rows(parent, replace(parent, resolution=size))
        except NasError:
            continue
        found.append(size)
    return tuple(found)


@lru_cache(maxsize=1 << 16)
def _changed(row: Block, settings: tuple[tuple[str, int], ...]) -> Block:
    return row.changed(**dict(settings))


@lru_cache(maxsize=1 << 16)
def _shape(row: Block, shape: Shape | None) -> Shape | None:
    """The output's shape, None where the row cannot take its input."""
    if shape is None:
        return None
    try:
        return block_graph(row, shape).output_shape
    except NasError:
        return None


@lru_cache(maxsize=1 << 17)
def _smaller(row: Block, shape: Shape, kept: Block, other: Shape) -> tuple[Shape, Shape] | None:
    """The output shapes of a row and of what it is made smaller to, None where it is another."""
    try:
        ours, theirs = block_graph(row, shape), block_graph(kept, other)
    except NasError:
        return None
    if (theirs.output or not ours.output) and different(ours, theirs):
        return None
    return ours.output_shape, theirs.output_shape
