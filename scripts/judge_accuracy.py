"""Judges the accuracy predictor on unseen tables: writes `scripts/results/accuracy.csv`.

    python scripts/judge_accuracy.py --accel ACCEL.csv --nasbench201 CELLS.csv [--part NAME ...]

left out: every table, the prior made of the others. bands: the same, within thirds of the table by
multiply-adds. few: the prior without the table, adapted to some of its networks, judged on the
rest. known: nine tenths of the table in the prior. interval: how many of the rest the 90%
intervals hold. width: theirs, in those of intervals that are all equally wide and hold 90%. broken:
the mean error in points, and that where one of the trainings ended with 0%. Beside the predictor
stand the simple counts that it must not rank below.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fit_accuracy import accel_rows, cell_rows
from rank_statistics import Vector, partial_spearman, spearman

from nas import AccuracyModel, Architecture, cost
from nas.accuracy import Prediction
from nas.accuracy.effects import local, shared
from nas.accuracy.features import STAGED, STAGES, WHOLE
from nas.accuracy.prior import read_prior, sums_of
from nas.accuracy.regression import fit, log_odds, squares
from nas.accuracy.residual import Residual, process
from nas.accuracy.table import FOLDER, read_accuracy_table
from nas.support.tables import write_csv

OUTPUT = Path(__file__).parent / "results" / "accuracy.csv"
DRAWS = range(100, 130)  # seeds; by 0 to 29 the interval was chosen
FEW = (3, 5, 10, 15, 20, 30, 50, 100)
FEWEST = 15  # networks of a recipe that ranks are taken over
TOGETHER = (("cifar10", "cifar100"),)  # tables of the same networks
BANDS = 3
FOLDS = 10
MOST = 400  # networks that a few-shot model is judged on
BREAKING = 20  # networks of which one's training is broken


class Table(NamedTuple):
    """A table to judge on; `own` is its name in the prior."""

    name: str
    own: str
    archs: list[Architecture]
    accuracy: Vector

    def without(self) -> AccuracyModel:
        """The prior without this table, and without others of the same networks."""
        same = next((names for names in TOGETHER if self.own in names), (self.own,))
        return AccuracyModel.load(same)

    def counts(self) -> dict[str, Vector]:
        """What the predictor must not rank below."""
        costs, sums = [cost(arch) for arch in self.archs], sums_of(self.archs)
        layers = sums[:, len(STAGED) * STAGES + WHOLE.index("layers")]
        channels = sums[:, :STAGES].sum(axis=1)
        found = {
            "macs": [c.macs for c in costs],
            "params": [c.params for c in costs],
            "layers": layers,
            "channels": channels,
        }
        return {name: np.array(values, float) for name, values in found.items()}


def tables(accel: Path, cells: Path) -> Iterator[Table]:
    """Every table; the published one recipe by recipe, those of some networks."""
    for name, pairs in (("accel_nasbench", accel_rows(accel)), ("nasbench201", cell_rows(cells))):
        yield Table(name, name, [arch for arch, _ in pairs], np.array([y for _, y in pairs]))
    for path in sorted(FOLDER.glob("*.csv")):
        table = read_accuracy_table(path)
        for recipe in table.metadata.recipes:
            rows = [row for row in table.rows if row.recipe == recipe]
            if len(rows) >= FEWEST:
                archs = [row.architecture() for row in rows]
                accuracy = np.array([row.accuracy for row in rows])
                yield Table(f"{table.name} {recipe}", table.name, archs, accuracy)


Row = tuple[str, str, str, str, float]
Say = Callable[[str, str, str, float], None]


def predicted(model: AccuracyModel, archs: list[Architecture]) -> Vector:
    return np.array([found.value for found in model.predict_many(archs)])


def left_out(table: Table, say: Say) -> None:
    """Ranks without the table, over all and in bands of cost, and those of simple counts."""
    counts = table.counts()
    scores = {"predictor": predicted(table.without(), table.archs), **counts}
    best = table.accuracy >= np.quantile(table.accuracy, 0.8)
    edges = np.quantile(counts["macs"], np.linspace(0, 1, BANDS + 1))
    for name, score in scores.items():
        say("left out", name, "spearman", spearman(score, table.accuracy))
        given = partial_spearman(score, table.accuracy, counts["macs"])
        say("left out", name, "given macs", given)
        say("left out", name, "best fifth", spearman(score[best], table.accuracy[best]))
        for band in range(BANDS):
            inside = (counts["macs"] >= edges[band]) & (counts["macs"] <= edges[band + 1])
            if inside.sum() >= 5:
                found = spearman(score[inside], table.accuracy[inside])
                say("bands", name, f"third {band + 1} of macs", found)


def few(table: Table, say: Say) -> None:
    """Adapted to a few networks of the table: ranks of the others and what intervals hold."""
    model = table.without()
    for n in FEW:
        if n > 0.7 * len(table.archs):
            continue
        ranks, held, widths, errors = [], [], [], []
        for repeat in DRAWS:
            found, truth = adapted(model, table, n, repeat)
            value, low, high = np.array(found).T
            ranks.append(spearman(value, truth))
            held.append(np.mean((low <= truth) & (truth <= high)))
            widths.append(np.median(high - low))
            errors.append(np.abs(value - truth))
        say("few", "predictor", f"{n} known", float(np.mean(ranks)))
        say("interval", "predictor", f"{n} known", float(np.mean(held)))
        equal = 2 * np.quantile(np.concatenate(errors), 0.9)
        say("width", "predictor", f"{n} known", float(np.median(widths) / equal))


def broken(table: Table, say: Say) -> None:
    """The error after all trainings went well, and after one ended with 0%."""
    if len(table.archs) < 2 * BREAKING:
        return
    for measure, first in (("whole", None), ("one of 20 at 0%", 0.0)):
        errors = []
        for repeat in DRAWS:
            found, truth = adapted(table.without(), table, BREAKING, repeat, first)
            errors.append(np.abs(np.array([p.value for p in found]) - truth).mean())
        say("broken", "predictor", measure, float(np.mean(errors)))


def adapted(
    model: AccuracyModel, table: Table, n: int, seed: int, first: float | None = None
) -> tuple[list[Prediction], Vector]:
    """What the model predicts, adapted to n random networks, and the truth of the others; `first`
    is what the first training ended with instead."""
    order = np.random.default_rng(seed).permutation(len(table.archs))
    known, others = order[:n], order[n : n + MOST]
    accuracies = [float(table.accuracy[i]) for i in known]
    if first is not None:
        accuracies[0] = first
    few = model.adapt(zip([table.archs[i] for i in known], accuracies, strict=True))
    return few.predict_many([table.archs[i] for i in others]), table.accuracy[others]


def known(table: Table, say: Say) -> None:
    """A tenth of a benchmark in turn, the other nine in the prior."""
    _, squared, residuals = read_prior()
    if table.name not in residuals:
        return
    sums, odds = sums_of(table.archs), log_odds(table.accuracy / 100)
    features, places = shared(sums, 0.0), local(sums)
    folds = np.random.default_rng(0).permutation(len(odds)) % FOLDS
    found = np.zeros(len(odds))
    for fold in range(FOLDS):
        inside, names = folds != fold, ["one"] * int((folds != fold).sum())
        mine = squares(features[inside], odds[inside], names)
        fitted = fit({**squared, table.name: mine})
        landmarks = residuals[table.name].landmarks
        seen = Residual.of(landmarks, places[inside], features[inside], odds[inside], names)
        more = process(seen, mine, fitted.effects, fitted.slopes[table.name])
        found[~inside] = (features @ fitted.effects + more.mean(places))[~inside]
    best = table.accuracy >= np.quantile(table.accuracy, 0.8)
    say("known", "predictor", "spearman", spearman(found, table.accuracy))
    say("known", "predictor", "best fifth", spearman(found[best], table.accuracy[best]))


PARTS = {"left out": left_out, "few": few, "broken": broken, "known": known}


def main() -> None:
    """Judges and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accel", type=Path, required=True)
    parser.add_argument("--nasbench201", type=Path, required=True)
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args()
    rows: list[Row] = []
    for table in tables(asked.accel, asked.nasbench201):

        def say(part: str, score: str, measure: str, value: float, name: str = table.name) -> None:
            rows.append((name, part, score, measure, value))
            print(f"{name:24} {part:10} {score:10} {measure:16} {value:.3f}", flush=True)

        for part, judge in PARTS.items():
            if not asked.part or part in asked.part:
                judge(table, say)
    cells = ((*row[:4], f"{row[4]:.3f}") for row in rows)
    write_csv(asked.output, ("table", "part", "score", "measure", "value"), cells)


if __name__ == "__main__":
    main()
