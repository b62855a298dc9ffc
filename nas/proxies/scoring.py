"""Scores of a module or an architecture by any of the registered proxies."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite, nan

import torch
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.proxies.probe import Probe
from nas.proxies.registry import PROXIES, UndefinedScore, checked

DEFAULT = ("meco_sampled", "patch_expressivity", "effective_params", "synflow")


class Scores(dict[str, float]):
    """Scores by proxy; `reasons` says of each that is NaN why it is."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[str, str] = {}


def score(
    module: nn.Module, batch: Tensor, names: Sequence[str] | None = None, seed: int = 0
) -> Scores:
    """The named proxies' scores, by default the default ones', of any convolutional module.

    `batch` is (N, C, H, W); noise will do. Weights are drawn by `seed` and put in the module's
    place for the calls: the result depends on the architecture, and the module stays as it was.
    A proxy that is undefined gives NaN, and its reason is in the result's `reasons`.
    Errors: `NasError` for an unknown name.
    """
    return _scores(Probe(module, batch, seed), checked(DEFAULT if names is None else names))


def evaluate(arch: Architecture, names: Sequence[str], seed: int = 0) -> dict[str, float]:
    """The named proxies' scores of an architecture: a pure function of its arguments.

    Errors: `UndefinedScore` naming the proxy and the reason where one has no finite score;
    `NasError` for an unknown name.
    """
    found = scores(arch, names, seed)
    for name, reason in found.reasons.items():
        raise UndefinedScore(f"proxy '{name}' {reason}")
    return dict(found)


def scores(arch: Architecture, names: Sequence[str], seed: int = 0) -> Scores:
    """As `evaluate`, but a proxy that is undefined gives NaN, with its reason in `reasons`."""
    return _scores(Probe.of(arch, seed), checked(names))


def _scores(probe: Probe, names: Sequence[str]) -> Scores:
    found = Scores()
    with _without_collector(), torch.inference_mode(False), torch.enable_grad():
        for name in names:
            try:
                value = float(PROXIES[name].function(probe))
                reason = f"gave {value}"
            except UndefinedScore as undefined:
                value, reason = nan, f"is undefined: {undefined}"
            except Exception as error:  # a network or a plugin that fails must not end a search
                value, reason = (
                    nan,
                    f"failed: {type(error).__name__}: {' '.join(str(error).split())}",
                )
            found[name] = value if isfinite(value) else nan
            if not isfinite(value):
                found.reasons[name] = reason
    return found


@contextmanager
def _without_collector() -> Iterator[None]:
    """A network is thousands of objects: seeing them, the collector would walk all of torch's."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
