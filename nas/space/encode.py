"""`encode`: finds an assignment of a space's options that decodes to an architecture."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from nas.architecture import Architecture, Rows, check_architecture
from nas.blocks import Block
from nas.space.choices import Choices, Part, last_channels
from nas.space.options import Options
from nas.support.errors import NasError


def encode(space: Choices, arch: Architecture) -> dict[str, Any]:
    """An assignment of every option that decodes to `arch`; see `SearchSpace.encode`."""
    check_architecture(arch, "encode")
    s = space.settings
    if arch.resolution not in s.resolution:
        raise NasError(f"space '{space.name}' has no resolution {arch.resolution}")
    if arch.channels != s.channels:
        raise NasError(f"space '{space.name}' takes {s.channels} channels, not {arch.channels}")
    params = {"resolution": arch.resolution}
    params |= _part(space, space.stem, arch.stem) | _part(space, space.head, arch.head)
    stages = _Stages(space, arch).match(0, 0, last_channels(arch.stem, s.channels))
    first = {name: values[0] for name, values in space.options.items()}
    return first | {name: v for name, v in (params | stages).items() if name in first}


def _part(space: Choices, part: Part, rows: Rows) -> dict[str, Any]:
    for chosen in part.assignments():
        if part.decode(chosen) == rows:
            return chosen
    raise NasError(f"space '{space.name}' cannot express the {part.name}: {_text(rows)}")


class _Stages:
    """Matches the stages of an architecture with the space's stages; some of these may be absent.

    Every method returns options with their chosen values.
    """

    def __init__(self, space: Choices, arch: Architecture) -> None:
        self.space, self.arch = space, arch

    def match(self, i: int, k: int, channels: int) -> dict[str, Any]:
        """Matches the space's stages from `i` on with the architecture's from `k` on."""
        theirs = self.arch.stages
        if i == len(self.space.settings.stages):
            if k < len(theirs):
                raise self._error(k, theirs[k])
            return {}
        absent = {f"stage{i}.depth": 0}
        can_be_absent = 0 in self.space.settings.stages[i].depth
        if k == len(theirs):
            if not can_be_absent:
                raise NasError(f"space '{self.space.name}' needs a stage {i}, after the last one")
            return absent | self.match(i + 1, k, channels)
        try:
            chosen = self._stage(i, k, channels)
            return chosen | self.match(i + 1, k + 1, last_channels(theirs[k], channels))
        except NasError:
            if not can_be_absent:
                raise
            return absent | self.match(i + 1, k, channels)

    def _stage(self, i: int, k: int, channels: int) -> dict[str, Any]:
        stage, rows = self.space.settings.stages[i], self.arch.stages[k]
        per_layer = self.space.settings.chosen_per_layer(i)
        kinds = [stage.block] if "block" in per_layer else [(name,) for name in stage.block]
        for (down, row), names in product(stage.down_rows.items(), kinds):
            layers = rows if row is None else rows[1:]
            if (row is not None and rows[0] != row) or len(layers) not in stage.depth:
                continue
            stride = stage.stride if row is None else 1
            options = {name: self.space.layer_choices(i, name) for name in names}
            shared = {k: v for o in options.values() for k, v in o.items() if k not in per_layer}
            for same in _assignments(shared):
                narrowed = {
                    name: {key: (same[key],) if key in same else v for key, v in choices.items()}
                    for name, choices in options.items()
                }
                chosen = self._layers(layers, channels, stride, narrowed)
                if chosen is not None:
                    whole = {"down": down, "depth": len(layers), "block": names[0], **same}
                    return {f"stage{i}.{key}": value for key, value in (whole | chosen).items()}
        raise self._error(k, rows)

    def _layers(
        self, rows: Rows, channels: int, stride: int, options: dict[str, Options]
    ) -> dict[str, Any] | None:
        """The choices of all layers, named with the layer's number; None where one does not match.

        `options` holds the options of each block kind.
        """
        params: dict[str, Any] = {}
        for j, row in enumerate(rows):
            chosen = self._layer(row, channels, stride if j == 0 else 1, options)
            if chosen is None:
                return None
            params |= {f"{key}{j}": value for key, value in chosen.items()}
            channels = last_channels((row,), channels)
        return params

    def _layer(
        self, row: Block, channels: int, stride: int, options: dict[str, Options]
    ) -> dict[str, Any] | None:
        for name, choices in options.items():
            if name == row.kind:
                for chosen in _assignments(choices):
                    if self.space.row(name, channels, stride, chosen) is row:
                        return {"block": name, **chosen}
        return None

    def _error(self, k: int, rows: Rows) -> NasError:
        return NasError(f"space '{self.space.name}' cannot express stage {k}: {_text(rows)}")


def _assignments(options: Options) -> Iterator[dict[str, Any]]:
    for values in product(*options.values()):
        yield dict(zip(options, values, strict=True))


def _text(rows: Rows) -> str:
    return ", ".join(map(repr, rows))
