"""`OptionSpace`: options to choose from, and the network that an assignment of them gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.architecture import Architecture
from nas.blocks import Value
from nas.support.errors import check_seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Params = Mapping[str, Any]
Options = dict[str, tuple[Any, ...]]


def own_values(params: Params, options: Options) -> dict[str, Any]:
    """The assignment with each value as its option has it: numpy's 3, or the 3.0 that a frame makes
    of it, is 3. A value that is none of its option stays."""
    return {
        name: value
        if type(value) in (int, str)
        else next((option for option in options.get(name, ()) if option == value), value)
        for name, value in params.items()
    }


class OptionSpace(ABC):
    """What a search explores. A space has a `name`, `options` with their values, at least two of
    each, in a fixed order, and `decode`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the space is called."""

    @property
    @abstractmethod
    def options(self) -> Options:
        """Every parameter with more than one value, in a fixed order."""

    @abstractmethod
    def decode(self, params: Params) -> Architecture:
        """The architecture that an assignment of `options` gives."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The space as plain data."""

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
        """A random architecture, by `sample_params`. The same seed gives the same architecture."""
        return self.decode(self.sample_params(np.random.default_rng(check_seed(seed))))


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
