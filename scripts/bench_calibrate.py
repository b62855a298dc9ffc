"""How good `nas.calibrate` is with 10 and 50 networks, against two baselines, as Markdown.

    python scripts/bench_calibrate.py DATA.csv [DRAWS]

DATA.csv has the column ops (22 indices into FBNet's choices) and one `*_ms` column a device. Every
figure is over DRAWS random draws: networks to calibrate with, and 500 others to judge by. The
baselines: a line through the multiply-adds, and the known target that fits best, scaled. Targets
that were themselves fitted to these data are not among the known ones.

`ceiling` is what no model of a network's own choices can exceed: the rank correlation of the
latencies with an additive model of all layers' choices fitted to three quarters of the rows. It is
below 1 where the published latencies are noisy.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from nas.costs import cost
from nas.latency.calibration import known_targets, weights_of
from nas.latency.lowering.rows import network_kernels
from nas.latency.model.error import interval_factor
from nas.latency.model.regression import KINDS, NONE, Vector, amounts, fit_weights, leave_out
from nas.references.fbnet import CHOICES, LAYERS, fbnet

SIZES = (10, 50)
DRAWS = 100
JUDGED = 500
FITTED_TO_IT = {"raspberry-pi-4"}
Predict = Callable[[Vector], Vector]


class Draw(NamedTuple):
    """What one draw says of one method."""

    spearman: float
    mape: float
    covered: float


def judged(predicted: Vector, latency_ms: Vector, factor: float) -> Draw:
    """The figures of a method on networks that it has not seen."""
    off = np.abs(np.log(predicted / latency_ms))
    return Draw(
        float(spearmanr(predicted, latency_ms)[0]),
        float(np.abs(predicted / latency_ms - 1).mean()),
        float((off <= np.log(factor)).mean()),
    )


def line(macs: Vector, latency_ms: Vector) -> Predict:
    """Latency as a constant plus a multiple of the multiply-adds."""
    slope, constant = np.polyfit(macs, latency_ms, 1)
    return lambda more: np.maximum(slope * more + constant, 1e-3)


def scaled(bases: Vector, latency_ms: Vector) -> Predict:
    """The base (a column of predictions) that is closest to proportional, times a factor."""
    logs = np.log(latency_ms[:, None] / bases)
    best = int(logs.std(axis=0).argmin())
    factor = float(np.exp(np.median(logs[:, best])))
    return lambda more: factor * more[:, best]


def ceiling(choices: Vector, latency_ms: Vector) -> float:
    """See the module's text."""
    design = np.eye(len(CHOICES))[choices.astype(int)].reshape(len(choices), -1)
    held = np.arange(len(choices)) % 4 == 0
    seen, mean = design[~held], latency_ms[~held].mean()
    gram = seen.T @ seen + np.eye(LAYERS * len(CHOICES))
    weights = np.linalg.solve(gram, seen.T @ (latency_ms[~held] - mean))
    return float(spearmanr(design[held] @ weights, latency_ms[held])[0])


def main() -> None:
    draws = int(sys.argv[2]) if len(sys.argv) > 2 else DRAWS
    with Path(sys.argv[1]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    choices = np.array([[int(op) for op in row["ops"].split()] for row in rows])
    networks = [fbnet(row) for row in choices]
    work = amounts([network_kernels(arch) for arch in networks])
    macs = np.array([cost(arch).macs for arch in networks], np.float64)
    targets = [t for t in known_targets() if t.name not in FITTED_TO_IT]
    bases = {t.name: weights_of(t, networks[:20]) for t in targets}
    known = np.array([work @ weights for weights in bases.values()]).T
    bases[NONE] = np.zeros(len(KINDS))
    print(
        "| device | networks | method | Spearman, median (worst decile) | MAPE | in 90% interval |"
    )
    print("|---|---:|---|---:|---:|---:|")
    for column in (name for name in rows[0] if name.endswith("_ms")):
        latency_ms = np.array([float(row[column]) for row in rows])
        device = column.removesuffix("_ms")
        for size in SIZES:
            found: dict[str, list[Draw]] = {"MACs": [], "base scaled": [], "calibrate": []}
            rng = np.random.default_rng(size)
            for _ in range(draws):
                order = rng.permutation(len(rows))
                some, others = order[:size], order[size : size + JUDGED]
                y, truth = latency_ms[some], latency_ms[others]
                simple = line(macs[some], y)(macs[others])
                found["MACs"].append(judged(simple, truth, 1.0))
                found["base scaled"].append(
                    judged(scaled(known[some], y)(known[others]), truth, 1.0)
                )
                weights = fit_weights(work[some], y, bases).weights
                logs = leave_out(work[some], y, [str(i) for i in range(size)], bases)
                factor = interval_factor(logs)
                found["calibrate"].append(judged(work[others] @ weights, truth, factor))
            for method, ones in found.items():
                rho, mape, covered = (np.array(values) for values in zip(*ones, strict=True))
                inside = f"{covered.mean():.1%}" if method == "calibrate" else "–"
                print(
                    f"| {device} | {size} | {method} | {np.median(rho):.3f} "
                    f"({np.quantile(rho, 0.1):.3f}) | {np.median(mape):.1%} | {inside} |",
                    flush=True,
                )
        print(f"| {device} | | ceiling | {ceiling(choices, latency_ms):.3f} | | |", flush=True)


if __name__ == "__main__":
    main()
