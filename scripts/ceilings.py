"""How far goals are within reach that are missed: what other learners make of the same data.

    python scripts/ceilings.py DATA_FOLDER > scripts/results/ceilings.md

Accuracy: networks of `small` after one pass, of which so many are known, ranked by the adapted
model and by regressions on all of its features with the prior's prediction among them. Latency:
accelerators, of which so many random networks are known; the mean error of `nas.calibrate`; of the
same once a linear regression on the choices is fitted to the very networks that it is judged by,
which no prediction can know: what is left is noise, or is not additive; and of a ridge regression
of the latency, by relative errors, on what each stage chose (each choice, pairs, all together).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from bench_calibrate import judge
from judge_accuracy import Table, predicted, tables
from latency_data import read_accelerators
from rank_statistics import Vector, spearman
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from nas.accuracy.effects import local, shared
from nas.accuracy.prior import sums_of
from nas.accuracy.regression import log_odds
from nas.latency.model.prior import shipped_prior

KNOWN, SEEDS, JUDGED = (30, 100, 200), range(8), 400
NETWORKS = (10, 50, 200, 600)
DEVICES = ("accel/rtx3090", "accel/tpuv3")  # those with goals that are missed
CHOICES = ("expansion", "kernel", "layers", "se")
ALPHAS = np.logspace(-3, 4, 15)

LEARNERS: dict[str, Callable[[], Any]] = {
    "ridge": lambda: make_pipeline(StandardScaler(), RidgeCV(ALPHAS)),
    "support vectors": lambda: make_pipeline(StandardScaler(), SVR(epsilon=0.1, gamma=0.005)),
    "boosted trees": lambda: GradientBoostingRegressor(
        n_estimators=300, learning_rate=0.03, subsample=0.5, max_features=0.3, random_state=0
    ),
    "extra trees": lambda: ExtraTreesRegressor(
        400, min_samples_leaf=2, max_features=0.4, random_state=0
    ),
}


def accuracy_lines(table: Table) -> list[str]:
    """A line for each learner: its rank correlation by how many networks are known."""
    model = table.without()
    sums, odds = sums_of(table.archs), log_odds(table.accuracy / 100)
    prior = log_odds(predicted(model, table.archs) / 100)
    features = np.c_[prior, shared(sums), local(sums), np.log1p(np.abs(sums))]
    features = features[:, features.std(axis=0) > 1e-9]
    ranks: dict[str, list[float]] = {"adapted": [], **{name: [] for name in LEARNERS}, "mean": []}
    for known in KNOWN:
        found: dict[str, list[float]] = {name: [] for name in ranks}
        for seed in SEEDS:
            order = np.random.default_rng(seed).permutation(len(odds))
            some, rest = order[:known], order[known:]
            pairs = [(table.archs[i], float(table.accuracy[i])) for i in some]
            said = predicted(model.adapt(pairs), [table.archs[i] for i in rest])
            unit = odds[some].std()
            every = {"adapted": log_odds(said / 100) / unit}
            for name, learner in LEARNERS.items():
                fitted = learner().fit(features[some], odds[some] / unit)
                every[name] = fitted.predict(features[rest])
            every["mean"] = np.mean(list(every.values()), axis=0)
            for name, values in every.items():
                found[name].append(spearman(values, odds[rest]))
        for name, values in found.items():
            ranks[name].append(float(np.mean(values)))
    return [f"| {n} | {' | '.join(f'{v:.3f}' for v in values)} |" for n, values in ranks.items()]


def columns(rows: Sequence[dict[str, str]]) -> Vector:
    """What each stage of networks chose, and pairs of that, as zeros and ones."""
    stages = [[row[key].split() for key in CHOICES] for row in rows]
    sets = [each for n in (1, 2, len(CHOICES)) for each in combinations(range(len(CHOICES)), n)]
    words = [
        {f"{s} {keys} {[said[k][s] for k in keys]}" for s in range(7) for keys in sets}
        for said in stages
    ]
    names = sorted({word for each in words for word in each})
    return np.array([[name in each for name in names] for each in words], float)


def latency_lines(path: Path) -> list[str]:
    """A line for each device and number of networks: the three mean errors."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen, lines = columns(rows), []
    single = np.array(
        [[float(x) for key in CHOICES for x in row[key].split()] for row in rows], float
    )
    prior = shipped_prior()
    devices = read_accelerators(path)
    for name in DEVICES:
        device = devices[name]
        logs, at = np.log(device.latency_ms), np.array(device.names, int)
        for count in NETWORKS:
            ours, ridge, left = list[float](), list[float](), list[float]()
            for seed in SEEDS[:4]:
                order = np.random.default_rng(seed).permutation(len(logs))
                some, rest = order[:count], order[count:][:JUDGED]
                ms, table = device.latency_ms, chosen[at]
                fitted = RidgeCV(ALPHAS).fit(table[some], ms[some], ms[some] ** -2.0)
                ridge.append(np.abs(fitted.predict(table[rest]) / ms[rest] - 1).mean())
                if count > NETWORKS[1]:
                    continue
                off = judge(device, some, rest, prior).logs
                ours.append(np.abs(np.expm1(off)).mean())
                design = np.c_[np.ones(len(rest)), single[at[rest]]]
                off = off - design @ np.linalg.lstsq(design, off, rcond=None)[0]
                left.append(np.abs(np.expm1(off)).mean())
            cells = [f"{np.mean(v):.1%}" if v else "" for v in (ours, left, ridge)]
            lines.append(f"| {name} | {count} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    accel = folder / "accel_nasbench_dev.csv"
    print("# What the data allow\n\nBy `scripts/ceilings.py`. Ranks of `small`, one pass, by how")
    print("many networks are known (eight draws).\n")
    print(f"| | {' | '.join(map(str, KNOWN))} |\n|---|{'---:|' * len(KNOWN)}")
    every = tables(accel, folder / "nasbench201_dev.csv")
    table = next(each for each in every if each.name == "small one_pass")
    print(*accuracy_lines(table), sep="\n", flush=True)
    print("\nMean errors of latencies (four draws, up to 400 other networks).\n")
    print("| device | known | `nas.calibrate` | less linear in the choices | additive table |")
    print("|---|---:|---:|---:|---:|")
    print(*latency_lines(accel), sep="\n", flush=True)


if __name__ == "__main__":
    main()
