"""What the score is worth under optimisation, without training anything.

The truth is an additive surrogate: a ridge regression of the top-1 of 1,000 trained networks of
Accel-NASBench (Ahmad et al. 2024) on what each stage chooses. Searches explore the whole space,
10^9 networks, within 200, 300 and 400 million multiply-adds, by predicted accuracy of the prior
*without that table*, by single scores, and at random; the best network of each by its own score is
judged by the surrogate. Its regret is how far that is below the surrogate's own optimum, which
another search looks for by the surrogate itself.

    python scripts/bench_regret.py --accel accel_nasbench_dev.csv  # scripts/results/regret.csv
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from nas import AccuracyModel, Architecture, cost
from nas.accuracy.decoders import accel_nasbench
from nas.proxies import PROXIES, scores
from nas.support.tables import write_csv

BUDGETS = (200, 300, 400)  # MMACs
SEEDS = range(10)
SCORED = 2000  # networks a search; by proxies that must be run RUN_SCORED
RUN_SCORED = 100
POPULATION, TOURNAMENT, MUTATIONS = 500, 25, 2
RIDGE = 1.0
CHOICES = {"expansion": (1, 4, 6), "kernel": (3, 5), "layers": (1, 2, 3, 4), "se": (0, 1)}
STAGES = 7
DEEPEST = (3, 3, 3, 3, 3, 4, 3)  # layers
SIMPLE = ("macs", "params", "channels", "width", "entropy")  # analytic
RUN = ("synflow", "meco_sampled")

Genes = tuple[tuple[int, ...], ...]  # of each choice the values of the stages
Score = Callable[[Genes], float]


def read(path: Path) -> tuple[list[Genes], np.ndarray]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    genes = [tuple(tuple(map(int, row[n].split())) for n in CHOICES) for row in rows]
    return genes, np.array([float(row["top1"]) for row in rows])


def columns(genes: Genes) -> np.ndarray:
    """One column a stage and value of each choice."""
    parts = zip(CHOICES.values(), genes, strict=True)
    return np.array([v == value for values, own in parts for v in own for value in values], float)


def surrogate(path: Path) -> tuple[Score, float]:
    """The truth, and its error in points where a tenth of the networks is left out in turn."""
    genes, y = read(path)
    x = np.array([columns(each) for each in genes])

    def fitted(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        mean, level = x[rows].mean(axis=0), y[rows].mean()
        z = x[rows] - mean
        w = np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ (y[rows] - level))
        return lambda new: (new - mean) @ w + level

    folds = np.random.default_rng(0).permutation(len(y)) % 10
    left = [fitted(folds != k)(x[folds == k]) - y[folds == k] for k in range(10)]
    whole = fitted(np.ones(len(y), bool))
    error = float(np.sqrt(np.mean(np.concatenate(left) ** 2)))
    return lambda genes: float(whole(columns(genes))), error


def legal(values: Iterable[Iterable[int]]) -> Genes:
    """The genes, with no more layers than a stage has in the table."""
    expansion, kernel, layers, se = (tuple(map(int, own)) for own in values)
    return expansion, kernel, tuple(map(min, layers, DEEPEST)), se


def arch(genes: Genes) -> Architecture:
    return accel_nasbench(*genes)


def search(score: Score, mmacs: float, count: int, seed: int, evolve: bool = True) -> Genes:
    """The best of `count` networks within the budget by the score: evolution, or at random."""
    rng = np.random.default_rng(seed)

    def drawn() -> Genes:
        return legal(rng.choice(v, STAGES).tolist() for v in CHOICES.values())

    def child(parent: Genes) -> Genes:
        new = [list(values) for values in parent]
        for _ in range(max(1, rng.poisson(MUTATIONS))):
            i, stage = int(rng.integers(len(CHOICES))), int(rng.integers(STAGES))
            new[i][stage] = int(rng.choice(list(CHOICES.values())[i]))
        return legal(new)

    seen: dict[Genes, float] = {}
    while len(seen) < count:
        alive = list(seen.items())[-POPULATION:]
        if evolve and len(alive) > 50:
            some = [alive[i] for i in rng.integers(0, len(alive), TOURNAMENT)]
            new = child(max(some, key=lambda pair: pair[1])[0])
        else:
            new = drawn()
        if new not in seen and cost(arch(new)).macs <= 1e6 * mmacs:
            seen[new] = score(new)
    return max(seen, key=lambda genes: seen[genes])


def by_proxy(name: str) -> Score:
    def score(genes: Genes) -> float:
        value = scores(arch(genes), [name])[name]
        return value if np.isfinite(value) else -np.inf

    return score


def climbed(truth: Score, mmacs: float) -> float:
    """The surrogate's optimum: the best of ten searches by itself."""
    return max(truth(search(truth, mmacs, SCORED, 100 + seed)) for seed in range(10))


def rows(path: Path, names: Sequence[str]) -> list[tuple[object, ...]]:
    truth, error = surrogate(path)
    print(f"surrogate: left-out error {error:.3f} points of top-1", flush=True)
    model = AccuracyModel.load(exclude=["accel_nasbench"])
    scorers: dict[str, tuple[Score, int, bool]] = {
        "predicted accuracy": (lambda genes: model.predict(arch(genes)).value, SCORED, True),
        "random network": (lambda genes: 0.0, 1, False),
        "random search by predicted accuracy": (
            lambda genes: model.predict(arch(genes)).value, SCORED, False,
        ),
        **{n: (by_proxy(n), RUN_SCORED if PROXIES[n].needs else SCORED, True) for n in names},
    }  # fmt: skip
    found: list[tuple[object, ...]] = []
    for mmacs in BUDGETS:
        best = climbed(truth, mmacs)
        for name, (score, count, evolve) in scorers.items():
            seeds = range(50) if count == 1 else SEEDS
            reached = [truth(search(score, mmacs, count, seed, evolve)) for seed in seeds]
            regret = best - np.array(reached)
            low, high = regret.min(), regret.max()
            found.append(
                (mmacs, name, count, f"{best:.2f}", f"{regret.mean():.3f}", f"{low:.3f}",
                 f"{high:.3f}")
            )  # fmt: skip
            print(*found[-1], sep=" | ", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accel", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("scripts/results/regret.csv"))
    parser.add_argument("--proxies", default=",".join((*SIMPLE, *RUN)))
    given = parser.parse_args()
    columns = ("mmacs", "score", "networks", "optimum", "regret", "least", "most")
    write_csv(given.output, columns, rows(given.accel, given.proxies.split(",")))


if __name__ == "__main__":
    main()
