"""How unlike those of a table a network is, by which its interval is wider.

The correction of a network's latency is nearly its kernels' corrections, each by its share, which
is a Gaussian process. Here that has the first of the waves of `nas.latency.model.corrections`
alone. The variance that a table leaves of it is small where networks of the table had such kernels
and large where none had. That errors go with it was seen by leaving families of published networks
out (`docs/latency.md`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nas.latency.model.basis import Vector
from nas.latency.model.corrections import RIDGE

WAVES = 96  # of those of the corrections
SIZE = WAVES * (WAVES + 1) // 2  # numbers of a triangular matrix
DIGITS = 5


class Doubt(NamedTuple):
    """What a table leaves open: `lower` is the lower triangular matrix by which the waves of a
    network become independent, `usual` the variance of a typical network that was left out."""

    lower: Vector
    usual: float

    @classmethod
    def of(cls, waves: Vector, weights: Vector, networks: Sequence[bool]) -> Doubt:
        """Of the waves of what was fitted, a row each, with its weight in the fit and whether it is
        a whole network."""
        from scipy.linalg import cholesky, solve_triangular

        gram = (waves * weights[:, None]).T @ waves + RIDGE * np.eye(WAVES)
        lower = solve_triangular(cholesky(gram, lower=True), np.eye(WAVES), lower=True)
        variances = np.square(waves @ lower.T).sum(1)
        left_out = variances / (1 - weights * variances)  # as without its row (Sherman, Morrison)
        return cls(lower, float(np.median(left_out[np.array(networks)])))

    def relative(self, waves: Vector) -> float:
        """The variance of a network's correction, as a multiple of the usual one."""
        return float(np.square(self.lower @ waves).sum() / self.usual)

    def facts(self) -> dict[str, Any]:
        """Its numbers, as plain data."""
        numbers = self.lower[np.tril_indices(WAVES)]
        return {"usual": _short(self.usual), "lower": list(map(_short, numbers.tolist()))}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Doubt:
        """What `facts` says. Errors: `KeyError`, `TypeError` or `ValueError`."""
        lower = np.zeros((WAVES, WAVES))
        lower[np.tril_indices(WAVES)] = facts["lower"]
        return cls(lower, float(facts["usual"]))


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
