"""The registry of accuracy proxies: training-free scores, higher is better, never an accuracy.

    @proxy("synflow", paper="Tanaka et al. 2020")
    def synflow(probe: Probe) -> float: ...

One proxy a file; every module of the package is loaded. A proxy that is undefined for a network
raises `UndefinedScore` with the reason, or returns NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from nas.proxies.probe import Probe
from nas.proxies.probe import UndefinedScore as UndefinedScore
from nas.support.errors import check_type, one_of
from nas.support.registry import Registry
from nas.support.text import texts_of

NEEDS = ("data", "labels", "backward", "norm")


class Proxy(NamedTuple):
    """A registered proxy.

    needs: which of a batch of images, (random) labels, a backward pass and norm layers it needs;
    nothing means that it is analytic: it counts and runs no network. cost: in forward passes of
    the batch. failure: when not to trust it.
    """

    name: str
    paper: str
    function: Callable[[Probe], float]
    needs: tuple[str, ...] = ()
    cost: str = ""
    failure: str = ""


PROXIES: Registry[Proxy] = Registry("proxy")


def proxy(
    name: str, *, paper: str, needs: Sequence[str] = (), cost: str = "", failure: str = ""
) -> Callable[[Callable[[Probe], float]], Proxy]:
    """Registers a proxy function under `name`; see `Proxy` for the rest.

    Errors: `NasError` where the name is taken or a need is none of `NEEDS`.
    """
    for need in needs:
        if need not in NEEDS:
            raise one_of(f"proxy '{name}': need", need, NEEDS)

    def register(function: Callable[[Probe], float]) -> Proxy:
        entry = Proxy(name, paper, function, tuple(needs), cost, failure)
        return PROXIES.register(name, entry, function.__module__)

    return register


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """The names, or the one that a text is. Errors: `NasError` for one that is unknown."""
    check_type(names, "proxies", "a list of names", Iterable)
    return tuple(PROXIES[name].name for name in texts_of(names))
