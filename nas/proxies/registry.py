"""The registry of accuracy proxies: training-free scores, higher is better, never an accuracy.

    @proxy("synflow", paper="Tanaka et al. 2020")
    def synflow(probe: Probe) -> float: ...

One proxy a file; every module of the package is loaded. A proxy that is undefined for a network
returns NaN, and the candidate fails with that reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from nas.architecture import Architecture
from nas.errors import NasError, one_of
from nas.graph import Graph

if TYPE_CHECKING:
    from nas.torch_module import Network


class Probe:
    """What a proxy may look at. Each part is made on first use and shared among the proxies."""

    def __init__(self, arch: Architecture, seed: int = 0) -> None:
        self.arch, self.seed = arch, seed

    @cached_property
    def graph(self) -> Graph:
        return self.arch.graph()

    @cached_property
    def module(self) -> Network:
        """A freshly initialised module of `seed`; a proxy leaves it as it was."""
        from nas.torch_module import build

        return build(self.arch, seed=self.seed)


class Proxy(NamedTuple):
    """A registered proxy."""

    name: str
    paper: str
    function: Callable[[Probe], float]


PROXIES: dict[str, Proxy] = {}


class UndefinedScore(NasError):
    """A proxy gave no finite score for a network."""


def proxy(name: str, *, paper: str) -> Callable[[Callable[[Probe], float]], Proxy]:
    """Registers a proxy function under `name`."""

    def register(function: Callable[[Probe], float]) -> Proxy:
        if name in PROXIES:
            raise NasError(f"proxy name '{name}' is taken by {PROXIES[name].function.__module__}")
        PROXIES[name] = Proxy(name, paper, function)
        return PROXIES[name]

    return register


def evaluate(arch: Architecture, names: Iterable[str], seed: int = 0) -> dict[str, float]:
    """The named proxies' scores of an architecture: a pure function of its arguments.

    Errors: `UndefinedScore` naming the proxy where a score is NaN or infinite; `NasError` for an
    unknown name.
    """
    probe = Probe(arch, seed)
    scores = {}
    for name in names:
        if name not in PROXIES:
            raise one_of("proxy", name, PROXIES)
        value = scores[name] = PROXIES[name].function(probe)
        if not isfinite(value):
            raise UndefinedScore(f"proxy '{name}' gave {value}")
    return scores
