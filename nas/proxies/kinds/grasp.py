"""GraSP (Wang et al. 2020) summed over a network, as Abdelfattah et al. 2021 do."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from nas.proxies.probe import Probe, Weights
from nas.proxies.registry import proxy

STEP = 1e-6


@proxy(
    "grasp",
    paper="Wang et al. 2020, arXiv 2002.07376",
    needs=["data", "labels", "backward"],
    cost="9, in float64",
    failure="its sign is noise of the initialisation",
)
def grasp(probe: Probe) -> float:
    """-Σ over weights of w · (H g): how much following the gradient strengthens the gradient.

    H g is a central difference along g, because not every activation has a second derivative in
    torch.
    """
    names = list(probe.matrices)
    weights = {name: w.detach().double() for name, w in probe.weights.items()}
    x = probe.batch.double()

    def gradient(at: Weights) -> Weights:
        at = {name: w.detach().requires_grad_() for name, w in at.items()}
        loss = F.cross_entropy(probe.run(at, x).flatten(1), probe.labels)
        gradients = torch.autograd.grad(loss, [at[n] for n in names], allow_unused=True)
        pairs = zip(names, gradients, strict=True)
        return {n: torch.zeros_like(at[n]) if g is None else g for n, g in pairs}

    g = gradient(weights)
    size = sum(t.square().sum().item() for t in g.values()) ** 0.5
    if not size > 0:
        return 0.0
    step = STEP / size
    there, back = (
        gradient({**weights, **{n: weights[n] + sign * step * g[n] for n in names}})
        for sign in (1, -1)
    )
    total = sum((weights[n] * (there[n] - back[n])).sum().item() for n in names)
    return float(-total / (2 * step))
