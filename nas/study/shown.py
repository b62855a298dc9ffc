"""A study as a notebook shows it: its trials as a table, its Pareto front as a chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from nas.charts import XY, Series
from nas.measures import OBJECTIVES, OF_TARGET, axis, format_measure
from nas.study.objectives import titles
from nas.study.record import Record
from nas.study.stored import OptionTable, Stored, utc
from nas.support.text import between, significant

if TYPE_CHECKING:
    import pandas as pd

MOST_POINTS = 4000  # of a cloud: more are not seen
WIDE = 8.0  # a ratio of the greatest to the least from which on an axis is logarithmic


def score_text(record: Record) -> str:
    """The predicted accuracy with its interval, or the score, which is none."""
    if record.accuracy_interval is None:
        return f"score {record.score:.3f}"
    low, high = record.accuracy_interval
    return f"{record.score_name} {record.score:.1f}% ({low:.1f}–{high:.1f}%)"


def costs_text(record: Record) -> str:
    """What a network costs, on one line."""
    low, high = record.latency_interval_ms
    memory = "".join(f"{format_measure(*each)}, " for each in record.memory.items())
    return (
        f"{significant(record.latency_ms)} ms ({between(low, high)}), "
        f"{format_measure('macs', record.macs)}, {format_measure('params', record.params)}, "
        f"{memory}{record.resolution} px"
    )


def pareto_chart(
    records: Sequence[Record],
    front: Sequence[Record],
    objective: str,
    *,
    random: Sequence[tuple[float, float]] = (),
) -> XY:
    """Score against an objective: the Pareto front, which can be chosen from, beside everything
    that was scored and `random` networks (score, value)."""
    measure = OBJECTIVES[objective]
    label, unit = axis(measure)

    def value(record: Record) -> float:
        return float(getattr(record, measure)) / unit

    def points(name: str, some: Sequence[Record]) -> Series:
        tips = [f"trial {r.trial}: {facts_text(r)}" for r in some]
        keys, scores = [str(r.trial) for r in some], [r.score for r in some]
        return Series(name, [value(r) for r in some], scores, "points", tips=tips, keys=keys)

    score = front[0].score_name if front else "score"
    series = [points("Pareto front", sorted(front, key=value))]
    if random:
        values = [v / unit for _, v in random]
        tips = [
            f"a random network: {s:.3g}, {v:.3g}" for (s, _), v in zip(random, values, strict=True)
        ]
        name = f"{len(random)} random networks"
        series.append(Series(name, values, [s for s, _ in random], "points", tips=tips))
    by_hand = [r for r in records if r.like]
    if by_hand:
        series.append(points("scaled by hand", by_hand))
    every = records[:: len(records) // MOST_POINTS + 1]
    cloud = Series(
        "all that was scored", [value(r) for r in every], [r.score for r in every], "cloud"
    )
    values = [v for one in (*series, cloud) for v in one.x]
    return XY(
        f"pareto-{objective}",
        f"{score.capitalize()} against {label.split(' (')[0]}",
        label,
        titles([], score)[0],
        [*series, cloud],
        log_x=min(values, default=0) > 0 and max(values) > WIDE * min(values),
    )


def facts_text(record: Record) -> str:
    """What is known of a network, on one line."""
    like = f"; {record.like}" if record.like else ""
    return f"{score_text(record)}, {costs_text(record)}{like}"


def trials_dataframe(trials: Iterable[Stored], options: OptionTable) -> pd.DataFrame:
    """A row a trial; see `Study.trials_dataframe`. Options of a network beside the space are those
    of the nearest in it."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for trial in trials:
        facts = trial.facts
        score = trial.values[0] if trial.values else None
        row: dict[str, Any] = {"number": trial.number, "state": trial.state.name}
        if (predicted := facts.get("predicted_accuracy")) is not None:
            row |= dict(
                zip(
                    ("predicted_accuracy", "predicted_low", "predicted_high"),
                    predicted,
                    strict=True,
                )
            )
        else:
            row["score"] = score
        costs = ("latency_ms", "macs", "params", "peak_bytes", *OF_TARGET)
        for name in (*costs, "resolution", "seconds", "like"):
            row[name] = facts.get(name)
        row["latency_low_ms"], row["latency_high_ms"] = facts.get(
            "latency_interval_ms", (None, None)
        )
        row["datetime_start"], row["datetime_complete"] = map(utc, trial.times)
        row |= {f"score_{name}": value for name, value in facts.get("scores", {}).items()}
        row["reason"] = facts.get("reason")
        row |= {f"params_{name}": value for name, value in trial.assignment(options).items()}
        rows.append(row)
    table = pd.DataFrame(rows).dropna(axis="columns", how="all") if rows else pd.DataFrame()
    for name in ("datetime_start", "datetime_complete"):
        if name in table:
            table[name] = pd.to_datetime(table[name], utc=True, format="ISO8601")
    return table
