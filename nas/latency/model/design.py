"""Networks as arrays: which kernels they have, what work these do, and what corrects them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nas.latency.lowering.kernels import Kernel
from nas.latency.model.basis import Vector, amounts, corrected_by

CLIP = 3.0  # a correction is at most that many e-folds


class State(NamedTuple):
    """Log latencies, and how they change with the log of each price and with each correction."""

    log_ms: Vector
    by_price: Vector
    by_correction: Vector


class Design(NamedTuple):
    """`counts` of kernels in networks, `work` of kernels by kind, and which of the `names` of
    corrections belong to a kernel (`corrected`); matrices, of which the first and last are sparse.
    """

    counts: Any
    work: Vector
    corrected: Any
    names: tuple[str, ...]

    @classmethod
    def of(cls, networks: Sequence[Sequence[Kernel]]) -> Design:
        """The arrays of networks, each given by its kernels."""
        index: dict[Kernel, int] = {}
        columns = [index.setdefault(k, len(index)) for network in networks for k in network]
        rows = np.repeat(np.arange(len(networks)), [len(network) for network in networks])
        names: dict[str, int] = {}
        corrected = [
            (i, names.setdefault(name, len(names)))
            for i, kernel in enumerate(index)
            for name in corrected_by(kernel)
        ]
        return cls(
            _sparse(rows, columns, (len(networks), len(index))),
            amounts(list(index)),
            _sparse([i for i, _ in corrected], [j for _, j in corrected], (len(index), len(names))),
            tuple(names),
        )

    def of_networks(self, which: Any) -> Design:
        """The networks at these indices, without the kernels and names that they do not have."""
        counts = self.counts[which]
        kernels = np.flatnonzero(counts.getnnz(0))
        corrected = self.corrected[kernels]
        names = np.flatnonzero(corrected.getnnz(0))
        return Design(
            counts[:, kernels].tocsr(),
            self.work[kernels],
            corrected[:, names].tocsr(),
            tuple(self.names[i] for i in names),
        )

    def log_ms(self, prices: Vector, corrections: Vector) -> Vector:
        """The log latency of each network."""
        factors = np.exp(np.clip(self.corrected @ corrections, -CLIP, CLIP))
        logs: Vector = np.log(self.counts @ (self.work @ prices * factors) + prices[0])
        return logs

    def state(self, prices: Vector, corrections: Vector) -> State:
        """The log latencies with their derivatives: the share of each kind in a network's latency,
        and of the kernels that each correction belongs to."""
        factors = np.exp(np.clip(self.corrected @ corrections, -CLIP, CLIP))
        work = self.counts @ (self.work * factors[:, None])
        work[:, 0] = 1.0
        total = work @ prices
        kernels = self.counts.multiply(self.work @ prices * factors).tocsr()
        by_correction = (kernels @ self.corrected).toarray() / total[:, None]
        return State(np.log(total), work * prices / total[:, None], by_correction)


def _sparse(rows: Any, columns: Any, shape: tuple[int, int]) -> Any:
    from scipy import sparse

    return sparse.csr_matrix((np.ones(len(columns)), (rows, columns)), shape=shape)
