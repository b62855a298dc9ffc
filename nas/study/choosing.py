"""Which networks of a study are worth training: good ones that are unlike each other.

One rule for finalists and for what is trained to learn from. The first is the best; each of the
others has the greatest product of two things: its distance to what is chosen already, in latency
and in structure, and what its prediction is worth, which falls to 1/e for each `reach` of log odds
that it is below the top. To learn, the width of its interval counts too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import zip_longest
from math import exp, log2

from nas.resolution import Resolution
from nas.study.best import best, lost, width
from nas.study.objectives import pareto
from nas.study.pruning import unbeaten
from nas.study.record import Record

REACH = 0.05  # of finalists, log odds: one point at 70%
POOL = 400  # records that are looked at beside the Pareto front, the best ones
FAR = 2.0  # a distance beyond which all are equally far


def finalists(records: Sequence[Record], objectives: Sequence[str], count: int) -> list[Record]:
    """The `count` finalists among a study's records, or fewer where there are fewer.

    By a combined score of proxies, of which differences say nothing, those of the Pareto front that
    score most.
    """
    if not records or records[0].accuracy_interval is None:
        return pareto(records, objectives)[:count]
    return spread(records, objectives, count, REACH)


def children(records: Sequence[Record], objectives: Sequence[str], count: int) -> list[Record]:
    """The `count` finalists among children of a trained network: the one that inherits most, the
    best of each other resolution that `nas.study.pruning.unbeaten` names, from the highest down,
    then others of these in turn, by the rule above. What children inherit compares those of one
    resolution, so that by the rule alone all others would be of the lowest."""
    of_size: dict[Resolution, list[Record]] = {}
    for record in sorted(records, key=lambda record: -record.score):
        of_size.setdefault(record.arch.resolution, []).append(record)
    sizes = unbeaten({size: some[0].score for size, some in of_size.items()})
    chosen = [of_size[size][0] for size in sizes[-1:] + sizes[:-1]]
    known = {record.trial for record in chosen}
    others = (spread(of_size[size], objectives, count, REACH, known) for size in sizes)
    chosen += [record for turn in zip_longest(*others) for record in turn if record]
    known = {record.trial for record in chosen}
    chosen += spread(records, objectives, count - len(chosen), REACH, known)  # where these are few
    return chosen[:count]


def spread(
    records: Sequence[Record],
    objectives: Sequence[str],
    count: int,
    reach: float,
    known: Collection[int] = (),
    *,
    uncertain: bool = False,
) -> list[Record]:
    """So many records by the rule above, unlike the trials that are `known` already, too."""
    if not records:
        return []
    by_score = sorted(records, key=lambda record: -record.score)
    front = pareto(records, objectives)
    some = (*by_score[:POOL], *front)
    pool = {record.trial: record for record in some}
    rows = {record.trial: _rows(record) for record in records if record.trial in {*pool, *known}}
    worth = {
        trial: exp(-lost(record, by_score[0]) / reach) * (width(record) if uncertain else 1)
        for trial, record in pool.items()
    }
    nearest = dict.fromkeys(pool, FAR)

    def approach(pick: Record) -> None:
        for trial, record in pool.items():
            apart = _apart(record, pick) + _unlike(rows[trial], rows[pick.trial])
            nearest[trial] = min(nearest[trial], apart)

    for record in records:
        if record.trial in known:
            approach(record)
    chosen: list[Record] = []
    first = best(front, objectives)
    while len(chosen) < count and any(nearest.values()):
        left = (trial for trial, distance in nearest.items() if distance)
        pick = pool[max(left, key=lambda trial: worth[trial] * nearest[trial])]
        if not chosen and nearest[first.trial]:
            pick = first
        chosen.append(pick)
        approach(pick)
    return chosen


def by_family(records: Sequence[Record]) -> list[Record]:
    """The hand-scaled network that scores most of each family, the best first."""
    best_of: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: -record.score):
        if record.like:
            best_of.setdefault(record.like.removeprefix("like ").split()[0], record)
    return list(best_of.values())


def _apart(a: Record, b: Record) -> float:
    """Doublings between the latencies."""
    return abs(log2(a.latency_ms / b.latency_ms))


def _rows(record: Record) -> Counter[str]:
    """How often each row, with its settings, is in the network."""
    parts = record.arch.to_dict()
    rows = (*parts["stem"], *(row for stage in parts["stages"] for row in stage), *parts["head"])
    return Counter(map(repr, rows))


def _unlike(a: Counter[str], b: Counter[str]) -> float:
    """The share of rows that two networks do not have in common."""
    return 1 - (a & b).total() / max((a | b).total(), 1)
