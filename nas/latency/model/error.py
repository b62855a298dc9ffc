"""How far a predictor is off: the summary of its errors on networks that it had not seen."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nas.latency.metadata import Error
from nas.latency.model.basis import Vector
from nas.support.outliers import outlying

SHARE = 0.9  # of the latencies that the interval is to hold
NARROWEST = 0.005
CERTAIN = 1.8  # standard deviations; hold a little more than `SHARE`, for tails are heavy
FAR = 4.0
# By the number of errors: what the largest, times that, bounds the next one with `SHARE`, if errors
# are normal around 0. From nine on the factor is 1, and that for errors of any distribution.
WIDER = {1: 6.31, 2: 2.32, 3: 1.67, 4: 1.4, 5: 1.25, 6: 1.16, 7: 1.09, 8: 1.04}


class LeftOut(NamedTuple):
    """Of each network by a fit without it: log (predicted / measured), and the `deviations` that
    were predicted for it, standard deviations or multiples of a typical one."""

    logs: Vector
    deviations: Vector


def error_of(logs: Vector, method: str, *, rows: int) -> Error:
    """The summary of log (predicted / measured) of networks that were left out of the fit;
    `rows` is how many measurements there were of anything."""
    return Error(
        method=method,
        networks=len(logs),
        rows=rows,
        mape=mape(logs),
        interval_factor=interval_factor(logs),
    )


def far_off(logs: Vector) -> list[int]:
    """The `suspects` among errors, but none where they are more than a fifth of them, which then
    have little in common."""
    found = suspects(logs)
    return found if 5 * len(found) <= len(logs) else []


def suspects(logs: Vector) -> list[int]:
    """The errors that are so far from all others that the measurement may be wrong, as in another
    unit: farther than `FAR`, as a factor, and `outlying`."""
    return [int(i) for i in np.flatnonzero(outlying(logs, math.log(FAR)))]


def mape(logs: Vector) -> float:
    """The mean absolute relative error, as a fraction."""
    return round(float(np.abs(np.expm1(logs)).mean()), 4)


def interval_factor(logs: Vector) -> float:
    """What the next prediction is off by at most, as a factor, with probability `SHARE`.

    The conformal quantile: a little above the plain one, because the logs are few. Fewer than nine
    have no such quantile; then it is the largest error times a factor that holds for normally
    distributed ones.
    """
    rank = min(len(logs), math.ceil(SHARE * (len(logs) + 1)))
    quantile = float(np.sort(np.abs(logs))[rank - 1])
    return round(math.exp(max(quantile * WIDER.get(len(logs), 1.0), NARROWEST)), 4)


def widening_of(logs: Vector, deviations: Vector) -> float:
    """How many predicted standard deviations a prediction is off by at most, with probability
    `SHARE`: the conformal quantile of what networks that were left out were off by, in theirs.
    Never less than `CERTAIN`: a few lucky errors are no proof."""
    scores = np.abs(logs) / deviations
    rank = min(len(scores), math.ceil(SHARE * (len(scores) + 1)))
    quantile = float(np.sort(scores)[rank - 1]) * WIDER.get(len(scores), 1.0)
    return max(quantile, CERTAIN)
