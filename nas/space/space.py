"""`SearchSpace`: a YAML file of choices, and how an assignment of them becomes an `Architecture`.

A space chooses resolution, stem and head once for the network. For each stage it chooses block
kind, width, depth and the block's own settings, some of them for each layer. For each layer it
chooses a channel-pruning ratio.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from nas.architecture import Architecture
from nas.space.choices import Choices
from nas.space.encode import encode
from nas.space.files import SHIPPED, locate, read
from nas.space.options import OptionSpace
from nas.space.settings import SpaceSettings
from nas.support.errors import NasError
from nas.support.validation import validated


class SearchSpace(Choices, OptionSpace):
    """A space of architectures; immutable. `settings` are the validated contents of its file."""

    @classmethod
    def load(cls, name: str | Path) -> SearchSpace:
        """The space of a shipped name or of a YAML file's path, either perhaps with `:variant`.
        Errors: `NasError` naming the file, the key and the rule."""
        path, variant = locate(name)
        if path.parent == SHIPPED:
            return _shipped(path, variant)
        source = str(path) if variant is None else f"{path}:{variant}"
        space = cls.from_dict(read(path, variant), source)
        space._try_samples(source)
        return space

    def _try_samples(self, source: str) -> None:
        """Builds some random networks: a combination of choices that no block takes fails here."""
        for seed in range(64):
            try:
                self.sample(seed).graph()
            except NasError as error:
                raise NasError(f"{source}: a network of it is impossible: {error}") from None

    @classmethod
    def from_dict(cls, data: object, source: str = "search space") -> SearchSpace:
        """The space of the plain data that `to_dict` gives. Errors: `NasError` naming `source`, the
        key and the rule."""
        if not isinstance(data, dict):
            raise NasError(f"{source}: must be a mapping of settings, not {type(data).__name__}")
        return cls(validated(SpaceSettings, data, source))

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data; `from_dict` reads them back."""
        return self.settings.model_dump(mode="json")

    @property
    def kinds(self) -> set[str]:
        """The kinds of block that a network of the space may have."""
        settings = self.settings
        parts = [*settings.stem.values(), *settings.head.values()]
        stages = [name for stage in settings.stages for name in (*stage.block, *stage.down_rows)]
        return {row.kind for rows in parts for row in rows} | {*stages} - {"stride"}

    def encode(self, arch: Architecture) -> dict[str, Any]:
        """An assignment that decodes to `arch`. Errors: `NasError` naming the first part of the
        architecture that the space cannot express."""
        return encode(self, arch)


@cache
def _shipped(path: Path, variant: str | None) -> SearchSpace:
    """A space that comes with nas; it is the same as long as the program runs."""
    return SearchSpace.from_dict(read(path, variant), str(path))
