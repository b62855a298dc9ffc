"""Scoring: a module or an architecture by any of the registered proxies."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite, nan

from torch import Tensor, nn

from nas.architecture import Architecture
from nas.defaults import DEFAULT_PROXIES
from nas.proxies import kinds
from nas.proxies.probe import Probe
from nas.proxies.registry import PROXIES, UndefinedScore, checked
from nas.support.errors import check_seed, check_type, one_line
from nas.support.plain_torch import plain_torch
from nas.support.registry import load_modules

DEFAULT = DEFAULT_PROXIES

load_modules(kinds.__name__, kinds.__path__)


class Scores(dict[str, float]):
    """Scores by name of the proxy; `reasons` says why a score is NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[str, str] = {}


@plain_torch()
def score(
    module: nn.Module, batch: Tensor, names: Sequence[str] | None = None, seed: int = 0
) -> Scores:
    """The scores of any convolutional module by the named proxies; by `DEFAULT` without names.

    `batch` is (N, C, H, W); noise will do. The weights are drawn by `seed` and replace the module's
    own during the calls: the result depends on the architecture, and the module stays as it was.
    A proxy that is undefined gives NaN, and its reason is in the result's `reasons`.
    Errors: `NasError` for an unknown name, and for what is no module or no batch.
    """
    check_type(module, "score: module", "a torch module, as nas.build makes", nn.Module)
    check_type(batch, "score: batch", "a torch tensor (N, C, H, W)", Tensor)
    return _scores(
        Probe(module, batch, check_seed(seed)), checked(DEFAULT if names is None else names)
    )


def evaluate(arch: Architecture, names: Sequence[str], seed: int = 0) -> dict[str, float]:
    """The scores of an architecture by the named proxies: a pure function of its arguments.

    Errors: `UndefinedScore` naming the proxy and the reason where one has no finite score;
    `NasError` for an unknown name.
    """
    values = scores(arch, names, seed)
    for name, reason in values.reasons.items():
        raise UndefinedScore(f"proxy '{name}' {reason}")
    return dict(values)


@plain_torch()
def scores(arch: Architecture, names: Sequence[str], seed: int = 0) -> Scores:
    """The scores that `evaluate` gives, but with NaN for a proxy that is undefined, and its reason
    in `reasons`."""
    return _scores(Probe.of(arch, seed), checked(names))


def _scores(probe: Probe, names: Sequence[str]) -> Scores:
    values = Scores()
    with _without_collector():
        for name in names:
            try:
                value = float(PROXIES[name].function(probe))
                reason = f"gave {value}"
            except UndefinedScore as undefined:
                value, reason = nan, f"is undefined: {undefined}"
            except (Exception, SystemExit) as error:  # which must not end a search
                value, reason = nan, f"failed: {type(error).__name__}: {one_line(error)}"
            values[name] = value if isfinite(value) else nan
            if not isfinite(value):
                values.reasons[name] = reason
    return values


@contextmanager
def _without_collector() -> Iterator[None]:
    """Turns Python's garbage collector off for a while: a network's thousands of objects would make
    it walk all of torch's, which is slow."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
