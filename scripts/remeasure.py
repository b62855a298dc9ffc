"""The ceiling of a table: networks of it timed again, long after, on the same machine.

    python scripts/remeasure.py TARGET... > scripts/results/remeasured.md

A hundred networks of each measured target, of all sizes, are timed as `nas verify` does. No
predictor agrees better with these latencies than the table's own do, except by chance.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from nas import Target
from nas.latency.measuring.verify import Comparison, verify
from nas.latency.model.basis import Vector
from nas.latency.table import TableRow, read_table
from nas.latency.target import target_path
from nas.resolution import mean_side

NETWORKS, MINUTES = 100, 15.0
LARGE = 64  # pixels from which on networks are as those of `mobile`


def line(what: str, networks: str, against: Vector, measured: Vector) -> str:
    """How far latencies are from those of now, and how far without what all have in common."""
    logs = np.log(against / measured)
    common = np.median(logs)
    cells = [f"{what} | {networks} ({len(logs)})"]
    for off in (np.expm1(logs), np.expm1(logs - common)):
        within = (f"{np.mean(abs(off) <= limit):.1%}" for limit in (0.05, 0.1))
        cells += [*within, f"{np.sqrt(np.mean(off**2)):.1%}"]
    return f"| {' | '.join(cells)} | {np.expm1(common):+.1%} |"


def lines(rows: Sequence[TableRow], compared: Sequence[Comparison | None]) -> list[str]:
    """The table's latencies and the target's predictions, each against the measured of now."""
    known = [(row, now) for row, now in zip(rows, compared, strict=True) if now]
    side = np.array([mean_side(row.subject.architecture().resolution) for row, _ in known])
    now = np.array([each.measured_ms for _, each in known])
    then = np.array([row.latency_ms for row, _ in known])
    predicted = np.array([each.predicted.ms for _, each in known])
    found = []
    for what, against in (("measured before", then), ("predicted", predicted)):
        for name, part in ((f"{LARGE} px and more", side >= LARGE), ("smaller", side < LARGE)):
            if part.any():
                found.append(line(what, name, against[part], now[part]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="+")
    names = parser.parse_args().targets
    print("# Networks of tables timed again\n\nBy `scripts/remeasure.py`.")
    for name in names:
        target = Target.load(name)
        rows = read_table(target_path(name).with_suffix(".csv"))
        networks = [row for row in rows if row.subject.kind == "network"]
        networks.sort(key=lambda row: row.latency_ms)
        places = np.linspace(0, len(networks) - 1, NETWORKS).round().astype(int)
        chosen = [networks[i] for i in dict.fromkeys(places.tolist())]
        archs = [row.subject.architecture() for row in chosen]
        compared, notes, drift, *_ = verify(archs, target, minutes=MINUTES)
        print(f"\n## {name}\n\nMeasured on {target.metadata.date}.", *notes)
        print("\n| | networks | within 5% | 10% | RMSPE | 5%, no bias | 10% | RMSPE | bias |")
        print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
        print(*lines(chosen, compared), sep="\n", flush=True)
        print(f"\nReference networks, timed with them: {1 / (1 + drift) - 1:+.1%}.", flush=True)


if __name__ == "__main__":
    main()
