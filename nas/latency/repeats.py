"""Repeated rows of a network: runs of one setting, or settings that must not be taken for runs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nas.support.errors import NasError, NasWarning, shown

APART = 1.3  # as a factor: runs of one setting seldom are farther apart
SETTING_SHARE = 2 / 3  # of the rows: values of a setting recur, measurements hardly do
# Words in the names of what differs from run to run of one setting, whatever its values are.
OF_RUNS = re.compile(
    r"runs?|rep|reps|repeats?|repetitions?|iter|iters|iterations?|trials?|index|idx|id|no|nr|row|"
    r"date|day|time|timestamp|seed|notes?|comments?|remarks?|min|max|mean|avg|average|median|std|"
    r"sd|stdev|stddev|var|variance|cv|p\d+|ms|us|ns|fps|qps|temp|temperature|power|energy|load|"
    r"utili[sz]ation|ram|mem|memory|mb|kb|mib|kib|error|spread"
)


class Row(NamedTuple):
    """A row's number in the file, its cells and its latency."""

    number: int
    cells: Sequence[str]
    ms: float


def check_repeats(runs: Iterable[Sequence[Row]], ignored: Mapping[int, str]) -> None:
    """Checks the rows of each network; `ignored` are the columns that nothing was read from.

    A `NasWarning` names rows of one network that are far apart. Errors: `NasError` where a setting
    tells them apart.
    """
    runs = list(runs)
    settings = {i: name for i, name in ignored.items() if _is_setting(name, i, runs)}
    for rows in runs:
        for i, name in settings.items():
            first = rows[0]
            other = next((row for row in rows if row.cells[i] != first.cells[i]), None)
            if other is not None:
                values = f"{shown(first.cells[i])} and {shown(other.cells[i])}"
                raise NasError(
                    f"rows {first.number} and {other.number} are of one network and differ in "
                    f"{name!r} ({values}): keep those of one, as they are no repeated runs"
                )
    apart = [rows for rows in runs if _factor(rows) > APART]
    if apart:
        low, high = (end(apart[0], key=lambda row: row.ms) for end in (min, max))
        more = f" (and {len(apart) - 1} more networks so)" if apart[1:] else ""
        warnings.warn(
            f"rows {low.number} and {high.number} are of one network, but {_factor(apart[0]):.3g} "
            f"times apart{more}: the median counts; are they of one setting?",
            NasWarning,
            stacklevel=3,
        )


def _factor(rows: Sequence[Row]) -> float:
    times = [row.ms for row in rows]
    return max(times) / min(times)


def _is_setting(name: str, column: int, runs: Sequence[Sequence[Row]]) -> bool:
    """Whether a column may be of what the networks were run with."""
    words = re.findall(r"[^\W_]+", name.lower())
    values = [row.cells[column] for rows in runs for row in rows]
    recurring = len({*values}) <= SETTING_SHARE * len(values)
    return recurring and not any(OF_RUNS.fullmatch(word) for word in words)
