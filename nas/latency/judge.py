"""How far a predictor is off: the summary of its errors on networks that it had not seen."""

from __future__ import annotations

import math

import numpy as np

from nas.latency.device_model import Vector
from nas.latency.metadata import Error

SHARE = 0.9  # of the latencies that the interval is to hold
NARROWEST = 0.005


def error_of(logs: Vector, method: str, *, rows: int, mobile: Vector | None = None) -> Error:
    """The summary of log (predicted / measured) of networks that were left out of the fit;
    `rows` is how many measurements there were of anything, `mobile` the logs of mobile networks."""
    return Error(
        method=method,
        networks=len(logs),
        rows=rows,
        mape=mape(logs),
        mape_mobile=None if mobile is None else mape(mobile),
        interval_factor=interval_factor(logs),
    )


def mape(logs: Vector) -> float:
    """The mean absolute relative error, as a fraction."""
    return round(float(np.abs(np.expm1(logs)).mean()), 4)


def interval_factor(logs: Vector) -> float:
    """What the next prediction is off by at most, as a factor, with probability `SHARE`.

    The conformal quantile: a little above the plain one, because the logs are few.
    """
    rank = min(len(logs), math.ceil(SHARE * (len(logs) + 1)))
    quantile = float(np.sort(np.abs(logs))[rank - 1])
    return round(math.exp(max(quantile, NARROWEST)), 4)
