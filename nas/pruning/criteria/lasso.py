"""LASSO selection of the next layer's inputs (He et al. 2017)."""

from __future__ import annotations

import warnings

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
    failure="sees one layer ahead; made for the least squares that follow it",
)
def lasso(subject: Subject) -> Scores:
    """The penalty, over the largest that keeps any channel, up to which LASSO keeps a channel when
    the next layer's outputs are explained by its input channels' contributions."""
    penalties = {}
    for name in subject.readers:
        penalties[name] = _kept_until(subject.contributions(name).double().numpy())
    return credited(subject.graph, penalties)


def _kept_until(parts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each column of `parts` (S, C) the largest penalty at which it helps to explain their sum,
    as a share of the penalty at which none does; 0 below the path's last one."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lasso_path

    products = parts.T @ parts
    target = products.sum(1)
    shares = 10 ** (-np.arange(1, STEPS + 1) / 10)
    highest = float(np.abs(target).max())
    if highest == 0:
        return np.zeros(len(products))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # exact coefficients are not needed
        _, coefficients, _ = lasso_path(
            np.asfortranarray(parts),
            parts.sum(1),
            alphas=shares * highest / len(parts),
            precompute=products,
            Xy=target,
            max_iter=SWEEPS,
            tol=TOLERANCE,
        )
    kept = coefficients != 0
    return np.where(kept.any(1), shares[kept.argmax(1)], 0.0)
