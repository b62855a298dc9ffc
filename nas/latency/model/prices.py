"""The prices of kinds of work alone, without corrections: where a measured target starts from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.latency.lowering.kernels import Kernel
from nas.latency.model.basis import KINDS
from nas.latency.model.posterior import posterior_of
from nas.latency.model.prior import shipped_prior

DIGITS = 6


def fit_prices(
    networks: Sequence[Sequence[Kernel]], latency_ms: Sequence[float]
) -> dict[str, float]:
    """The price of each kind of work in ms that the latencies of networks make most likely."""
    prior = shipped_prior()
    plain = prior._replace(
        mean=prior.mean[: len(KINDS)],
        covariance=prior.covariance[: len(KINDS), : len(KINDS)],
        directions={},
    )
    posterior = posterior_of(networks, np.array(latency_ms), plain)
    prices = np.exp(posterior.log_prices).tolist()
    return {k: float(f"{p:.{DIGITS}g}") for k, p in zip(KINDS, prices, strict=True)}
