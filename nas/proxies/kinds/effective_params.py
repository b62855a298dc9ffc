"""Effective parameters: those that the gradient reaches."""

from __future__ import annotations

from nas.proxies.probe import Probe
from nas.proxies.registry import proxy


@proxy(
    "effective_params",
    paper="this project; after Lee et al. 2019 (SNIP), arXiv 1810.02340",
    needs=["data", "labels", "backward"],
    cost="3",
    failure="grows with the loss's gradient in large layers, however they are used",
)
def effective_params(probe: Probe) -> float:
    """Σ over convolutions of their parameters times r = |w| |dL/dw| over its RMS of all of them.

    |w| |dL/dw| does not depend on the scale of w under a norm. A layer hardly counts where its
    gradient vanishes or is dwarfed by another's: depth or width that cannot be trained buys
    nothing.
    """
    gradients, _ = probe.gradients
    layers = [(g, probe.weights[name]) for name, g in gradients.items() if g.dim() == 4]
    reached = [float(g.norm() * w.detach().norm()) for g, w in layers]
    squares = sum(r * r for r in reached)
    if squares == 0:
        return 0.0
    total = sum(g.numel() * r for (g, _), r in zip(layers, reached, strict=True))
    return float(total / (squares / len(reached)) ** 0.5)
