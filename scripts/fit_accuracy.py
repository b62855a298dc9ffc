"""Fits the shipped accuracy prior: sums over every table of trained networks.

    python scripts/fit_accuracy.py --accel ACCEL.csv --nasbench201 CELLS.csv

The tables of `nas/accuracy/tables/` are summed as they are. The two benchmarks' rows are not ours
to ship: of them the sums alone are written, in the coordinates of landmarks, which are networks
drawn by chance. Without a benchmark's file its sums stay what they are.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nas import Architecture, nasbench201
from nas.accuracy.decoders import accel_nasbench
from nas.accuracy.effects import local, shared
from nas.accuracy.model import BRIEFLY
from nas.accuracy.prior import (
    FORMAT,
    PRIOR,
    StoredPrior,
    StoredResidual,
    StoredScale,
    StoredTable,
    checksum,
    dumped,
    feature_names,
    packed,
    read_prior,
    sums_of,
    table_columns,
)
from nas.accuracy.regression import Squares, fit, log_odds, squares
from nas.accuracy.residual import LANDMARKS, Residual
from nas.accuracy.table import FOLDER, read_accuracy_table
from nas.blocks.cell import EDGES
from nas.support.files import write_whole

STAGES = 7
ACCEL = "Accel-NASBench (Ahmad et al. 2024), 1,000 networks, ImageNet top-1 of a short recipe"
CELLS = "NAS-Bench-201 (Dong and Yang 2020), 500 cells, CIFAR-10 test accuracy, 200 epochs"
Rows = list[tuple[Architecture, float]]


def accel_rows(path: Path) -> Rows:
    """The networks of Accel-NASBench and their top-1 in percent."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    names = ("expansion", "kernel", "layers", "se")
    return [
        (
            accel_nasbench(*([int(n) for n in row[name].split()] for name in names)),
            float(row["top1"]),
        )
        for row in rows
    ]


def cell_rows(path: Path, column: str = "cifar10_test_accuracy_200ep") -> Rows:
    """The networks of NAS-Bench-201 and their test accuracy in percent."""
    with path.open() as file:
        return [(nasbench201(row["cell"]), float(row[column])) for row in csv.DictReader(file)]


def any_accel(rng: random.Random) -> Architecture:
    """A network of Accel-NASBench's space, drawn by chance."""
    choices = ((1, 4, 6), (3, 5), (1, 2, 3), (0, 1))
    return accel_nasbench(*([rng.choice(c) for _ in range(STAGES)] for c in choices))


def any_cell(rng: random.Random) -> Architecture:
    """A network of NAS-Bench-201, drawn by chance."""
    nodes = ["|".join(f"{rng.choice(EDGES)}~{i}" for i in range(n)) for n in (1, 2, 3)]
    return nasbench201("+".join(f"|{node}|" for node in nodes))


def benchmark(
    rows: Rows, path: Path, source: str, drawn: Callable[[random.Random], Architecture]
) -> StoredTable:
    """The sums of a benchmark."""
    rng = random.Random(0)
    landmarks = local(sums_of(drawn(rng) for _ in range(LANDMARKS)))
    sums, names = sums_of(arch for arch, _ in rows), ["one"] * len(rows)
    odds, features = log_odds(np.array([y for _, y in rows]) / 100), shared(sums, 0.0)
    residual = Residual.of(landmarks, local(sums), features, odds, names)
    stored = StoredResidual(
        landmarks=residual.landmarks.tolist(),
        pp=packed(residual.pp),
        px=residual.px.tolist(),
        py=residual.py.tolist(),
    )
    return stored_table(squares(features, odds, names), checksum(path), source, stored)


def stored_table(
    table: Squares, digest: str, source: str, residual: StoredResidual | None = None
) -> StoredTable:
    """A table's sums as they are written."""
    return StoredTable(
        checksum=digest,
        source=source,
        rows=table.rows,
        xx=packed(table.xx),
        xy=table.xy.tolist(),
        yy=table.yy,
        residual=residual,
    )


SCALES = {
    "published": ("ImageNet", 1000),
    "cifar100": ("CIFAR-100", 100),
    "cifar10": ("CIFAR-10", 10),
}


def scales() -> list[StoredScale]:
    """How effects become the accuracy of a task: each of its recipes counts once. The deviation
    between recipes is at least ImageNet's, of which there are most."""
    found: list[StoredScale] = []
    for name, (task, classes) in SCALES.items():
        table = read_accuracy_table(FOLDER / f"{name}.csv")
        sums = sums_of(row.architecture() for row in table.rows)
        features, odds, recipes = table_columns(table)
        fitted = fit({name: squares(features, odds, recipes)})
        kinds, names, slope = sorted(set(recipes)), np.array(recipes), fitted.slopes[name]
        levels = np.array([odds[names == kind].mean() for kind in kinds])
        centers = np.array([shared(sums, 1.0)[names == kind].mean(axis=0) for kind in kinds])
        away = float(np.std(levels - slope * (centers * ~BRIEFLY) @ fitted.effects, ddof=1))
        found.append(
            StoredScale(
                task=task,
                classes=classes,
                center=centers.mean(axis=0).tolist(),
                level=float(levels.mean()),
                spread=max(away, found[0].spread if found else away),
                slope=slope,
                noise=fitted.noises[name],
            )
        )
    return found


def main() -> None:
    """Reads the tables and writes `nas/accuracy/prior.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accel", type=Path)
    parser.add_argument("--nasbench201", type=Path)
    parser.add_argument("--output", type=Path, default=PRIOR)
    asked = parser.parse_args()
    kept = read_prior()[0].tables if not (asked.accel and asked.nasbench201) else {}
    tables = {name: table for name, table in kept.items() if table.residual}
    if asked.accel:
        rows = accel_rows(asked.accel)
        tables["accel_nasbench"] = benchmark(rows, asked.accel, ACCEL, any_accel)
    if asked.nasbench201:
        rows = cell_rows(asked.nasbench201)
        tables["nasbench201"] = benchmark(rows, asked.nasbench201, CELLS, any_cell)
    for path in sorted(FOLDER.glob("*.csv")):
        summed = squares(*table_columns(read_accuracy_table(path)))
        tables[path.stem] = stored_table(summed, checksum(path), path.name)
    prior = StoredPrior(
        format=FORMAT,
        features=feature_names(),
        scales=scales(),
        tables=dict(sorted(tables.items())),
    )
    write_whole(asked.output, dumped(prior))
    print(f"{asked.output}: {', '.join(f'{name} {t.rows}' for name, t in prior.tables.items())}")


if __name__ == "__main__":
    main()
