"""Greedy removal of what the next layer misses least (ThiNet, Luo et al. 2017)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.flow import credited
from nas.pruning.subject import Subject


@criterion(
    "thinet",
    source="Luo et al. 2017, ThiNet, ICCV, arXiv 1707.06342",
    needs=["weights", "images"],
    cost="1, and a greedy search in each layer",
    failure="sees one layer ahead; a channel that several layers read is scored by their sum",
)
def thinet(subject: Subject) -> Scores:
    """When a channel is removed, 0 first to 1 last, where each removal adds least to the squared
    error of the next layer's outputs."""
    orders = {}
    for name in subject.readers:
        parts = subject.contributions(name).double().numpy()
        orders[name] = _removal(parts.T @ parts)
    return credited(subject.graph, orders)


def _removal(products: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The place of each channel in the greedy order, from 1 / C to 1. `products` are the inner
    products of the channels' contributions, so a set's error is the sum over its pairs."""
    count = len(products)
    error, place = np.diag(products).copy(), np.empty(count)
    for step in range(count):
        channel = int(np.argmin(error))
        place[channel] = (step + 1) / count
        error += 2 * products[channel]
        error[channel] = np.inf
    return place
