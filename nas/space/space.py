"""`SearchSpace`: a YAML file of choices, and how an assignment of them becomes an `Architecture`.

A space chooses resolution, stem and head once for the network. For each stage it chooses block
kind, width, depth and the block's own settings, some of them for each layer. For each layer it
chooses a channel-pruning ratio.
"""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.architecture import Architecture
from nas.blocks import Value
from nas.space.choices import Choices, Params
from nas.space.encode import encode
from nas.space.files import SHIPPED, locate, read
from nas.space.settings import SpaceSettings
from nas.support.errors import NasError
from nas.support.validation import validated

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class SearchSpace(Choices):
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

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The options as Optuna's distributions: ordered where the values are evenly spaced
        numbers, categorical elsewhere."""
        return {name: _distribution(values) for name, values in self.options.items()}

    def snap(self, params: Params) -> dict[str, Any]:
        """The assignment with each value replaced by the nearest one of its option: a sampler's
        steps may be off by rounding."""
        return {
            name: value
            if value in self.options[name]
            else min(self.options[name], key=lambda option: abs(option - value))
            for name, value in params.items()
        }

    def sample_params(self, rng: np.random.Generator) -> dict[str, Value]:
        """A random assignment: one value of each option, all equally likely."""
        draws = rng.random(len(self.options))
        return {
            name: values[int(u * len(values))]
            for (name, values), u in zip(self.options.items(), draws.tolist(), strict=True)
        }

    def sample(self, seed: int) -> Architecture:
        """A random architecture: the values of an option are equally likely. The same seed gives
        the same architecture."""
        return self.decode(self.sample_params(np.random.default_rng(seed)))

    def encode(self, arch: Architecture) -> dict[str, Any]:
        """An assignment that decodes to `arch`. Errors: `NasError` naming the first part of the
        architecture that the space cannot express."""
        return encode(self, arch)


@cache
def _shipped(path: Path, variant: str | None) -> SearchSpace:
    """A space that comes with nas; it is the same as long as the program runs."""
    return SearchSpace.from_dict(read(path, variant), str(path))


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
