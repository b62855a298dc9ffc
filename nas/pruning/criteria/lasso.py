"""LASSO selection of the next layer's inputs (He et al. 2017)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.flow import credited
from nas.pruning.subject import Subject

STEPS, SWEEPS, TOLERANCE = 40, 20, 1e-3


@criterion(
    "lasso",
    source="He et al. 2017, Channel Pruning for Accelerating Very Deep Networks, arXiv 1707.06168",
    needs=["weights", "images"],
    cost="1, and a LASSO path in each layer",
    failure="sees one layer ahead; made for the least squares that follow it (--reconstruct)",
)
def lasso(subject: Subject) -> Scores:
    """The penalty, over the largest that keeps any channel, up to which LASSO keeps a channel when
    the next layer's outputs are explained by its input channels' contributions."""
    penalties = {}
    for name in subject.readers:
        parts = subject.contributions(name).double().numpy()
        penalties[name] = _kept_until(parts.T @ parts)
    return credited(subject.graph, penalties)


def _kept_until(products: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each channel the largest penalty of a path at which its coefficient is not zero.

    The path goes down, as the paper's goes up: with each penalty, a tenth of a decade below the one
    before, coordinate descent begins at the solution of the last. `products` as in ThiNet.
    """
    target, diagonal = products.sum(1), np.diag(products)
    highest = float(np.abs(target).max())
    kept, beta = np.zeros(len(products)), np.zeros(len(products))
    if highest == 0:
        return kept
    for step in range(1, STEPS + 1):
        share = 10 ** (-step / 10)
        for _ in range(SWEEPS):
            before = beta.copy()
            gradient = target - products @ beta
            for c in np.flatnonzero(diagonal > 0):
                free = gradient[c] + diagonal[c] * beta[c]
                new = np.sign(free) * max(abs(free) - share * highest, 0.0) / diagonal[c]
                if new != beta[c]:
                    gradient -= products[c] * (new - beta[c])
                    beta[c] = new
            if np.abs(beta - before).max() <= TOLERANCE * np.abs(beta).max():
                break
        kept[(beta != 0) & (kept == 0)] = share
    return kept
