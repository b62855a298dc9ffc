"""Jacobian covariance (Mellor et al. 2020, the first version of NASWOT)."""

from __future__ import annotations

import torch

from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy

EPSILON = 1e-5


@proxy(
    "jacob_cov",
    paper="Mellor et al. 2020, arXiv 2006.04647v1",
    needs=["data", "backward"],
    cost="3",
    failure="noise of the initialisation in networks of equal quality",
)
def jacob_cov(probe: Probe) -> float:
    """-Σ log(λ + ε) + 1/(λ + ε) over the eigenvalues λ of the correlations of the images' input
    gradients."""
    x = probe.batch.clone().requires_grad_()
    output = probe.run(probe.weights, x)
    if len(x) < 2:
        raise UndefinedScore("a batch of one image has no correlations")
    (gradient,) = torch.autograd.grad(output.sum(), [x], allow_unused=True)
    if gradient is None or not bool(gradient.flatten(1).std(1).min() > 0):
        raise UndefinedScore("the output does not depend on an image")
    values = torch.linalg.eigvalsh(torch.corrcoef(gradient.flatten(1).double())).clamp(min=0)
    return -float((torch.log(values + EPSILON) + 1 / (values + EPSILON)).sum())
