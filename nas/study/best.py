"""Which network is the best of a study: one rule.

A prediction is not exact, so its last tenths decide nothing. The best network is the one that costs
least, by the study's first objective, among those that are tied with the most accurate: predicted
within `TIE` of it in log odds, which is .4 points at 70% and .1 at 95%, and as surely, so that the
lower end of the interval is within `TIE` too: a network that was trained is not given up for one
that was not. `TIE` is what another seed moves a trained network by; the prediction's own error is
larger, and to give up all of it would buy little. A combined score of proxies has no known error:
there the best is what scores most.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from nas.measures import OBJECTIVES
from nas.study.record import Record

TIE = 0.02  # log odds


def best(records: Sequence[Record], objectives: Sequence[str]) -> Record:
    """The best of at least one record, by the rule above; of equal ones the first."""
    top = max(records, key=lambda record: record.score)
    if top.accuracy_interval is None:
        return top
    tied = [record for record in records if _tied(record, top)]
    measure = OBJECTIVES[objectives[0]]
    return min(tied, key=lambda record: (getattr(record, measure), -record.score))


def lost(record: Record, top: Record) -> float:
    """The log odds by which a predicted accuracy is below that of `top`."""
    return _log_odds(top.score / 100) - _log_odds(record.score / 100)


def _tied(record: Record, top: Record) -> bool:
    own, best_of_all = record.accuracy_interval, top.accuracy_interval
    assert own is not None
    assert best_of_all is not None
    surely = _log_odds(best_of_all[0] / 100) - _log_odds(own[0] / 100) <= TIE
    return surely and lost(record, top) <= TIE


def _log_odds(share: float) -> float:
    inside = min(max(share, 1e-4), 1 - 1e-4)
    return log(inside / (1 - inside))


def width(record: Record) -> float:
    """The width of a predicted accuracy's interval in log odds."""
    low, high = record.accuracy_interval or (record.score, record.score)
    return _log_odds(high / 100) - _log_odds(low / 100)
