"""Judges the prior without our own trainings on the longer truth: `scripts/results/long.csv`.

    python scripts/judge_long.py

twice: what twice the passes change. prior: ranks over all and within bands of multiply-adds, where
it is told the steps of the trainings, where it is not, where it is told that they go to the end,
and those of simple counts. new: those that were trained when its effects had been chosen. means:
accuracy in percent of each source by band.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from accuracy_tables import HELD_OUT
from ground_truth import PLANS
from ground_truth_long_plan import BANDS, SPACES
from ground_truth_table import load, networks
from judge_accuracy import Table, predicted
from rank_statistics import spearman

from nas import AccuracyModel
from nas.support.tables import write_csv

OUTPUT = Path(__file__).parent / "results" / "long.csv"
STEPS = PLANS["long"].recipe.steps(10_000)
IN_VIEW = (
    54  # the beginning of the plan that was in view when effects were chosen, but for HELD_OUT
)
Row = tuple[str, str, str, float]


def twice(path: Path, prior: AccuracyModel) -> list[Row]:
    """The networks of the check, by seed 0, against themselves after twice the passes."""
    before = {run.hash: run for run in load(path) if run.seed == 0}
    longer = [run for run in load(path.with_stem(f"{path.stem}_x2")) if run.hash in before]
    first = np.array([100 * before[run.hash].accuracy for run in longer])
    second = np.array([100 * run.accuracy for run in longer])
    i, j = np.triu_indices(len(first), 1)
    archs = [run.arch for run in longer]
    told = [predicted(prior.trained_for(steps), archs) for steps in (STEPS, 2 * STEPS)]
    kendall = np.mean(np.sign(first[i] - first[j]) * np.sign(second[i] - second[j]))
    figures = {
        "networks": len(longer),
        "spearman": spearman(first, second),
        "kendall": float(kendall),
        "predictor before": spearman(told[0], first),
        "predictor after": spearman(told[1], second),
        "mean gain": float(np.mean(second - first)),
        "least gain": float(np.min(second - first)),
        "most gain": float(np.max(second - first)),
    }
    return [("twice", "accuracy", measure, value) for measure, value in figures.items()]


def main() -> None:
    """Judges and writes the figures."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    path, prior = PLANS["long"].table, AccuracyModel.load(["small"])
    truth = networks(load(path))
    accuracy = np.array([100 * n.accuracy for n in truth])
    table = Table("long", "", [n.first.arch for n in truth], accuracy)
    scores = {
        "predictor, told the steps": predicted(prior.trained_for(STEPS), table.archs),
        "predictor": predicted(prior, table.archs),
        "predictor, to the end": predicted(prior.trained_for(None), table.archs),
        **table.counts(),
    }
    mmacs = np.array([n.first.macs / 1e6 for n in truth])
    bands = np.abs(np.log(mmacs[:, None] / np.array(BANDS))).argmin(axis=1)
    sources = np.array([n.first.group.split()[0] for n in truth])
    groups = {
        "all": np.full(len(truth), True),
        "best fifth": accuracy >= np.quantile(accuracy, 0.8),
    }
    numbers = [n.first.number for n in truth]
    groups["new"] = np.array([number in HELD_OUT or number >= IN_VIEW for number in numbers])
    groups |= {f"{band:g} MMACs": bands == at for at, band in enumerate(BANDS)}
    groups |= {source: sources == source for source in (*SPACES, "scaled")}
    rows = twice(path, prior)
    for group, inside in groups.items():
        if not inside.any():
            continue
        rows.append(("networks", "-", group, int(inside.sum())))
        for name, score in scores.items():
            rows.append(("prior", name, group, spearman(score[inside], accuracy[inside])))
    for source in (*SPACES, "scaled"):
        for at, band in enumerate(BANDS):
            mine = accuracy[(sources == source) & (bands == at)]
            rows.append(("networks", source, f"{band:g} MMACs", len(mine)))
            rows.append(("means", source, f"{band:g} MMACs", float(mine.mean())))
    seeds = [runs for runs in _by_hash(path).values() if len(runs) == 2]
    noise = float(np.sqrt(np.mean([np.var(runs, ddof=1) for runs in seeds])))
    rows.append(("noise", "accuracy", f"{len(seeds)} networks, two seeds", noise))
    cells = ((*row[:3], f"{row[3]:.3f}") for row in rows)
    write_csv(OUTPUT, ("part", "score", "measure", "value"), cells)
    print(OUTPUT.read_text(), end="")


def _by_hash(path: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for run in load(path):
        found.setdefault(run.hash, []).append(100 * run.accuracy)
    return found


if __name__ == "__main__":
    main()
