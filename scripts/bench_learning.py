"""What `--learn` finds, against random networks of equal cost and hand-scaled families.

    python scripts/bench_learning.py --data fashion-mnist --budget 3MFLOPs --learn 30

Two searches, with and without learning, give a best network each. These, the best-predicted
hand-scaled ones and random networks of 90 to 100% of the budget are then trained by the same recipe
with other seeds than those that were learned from, and compared by the accuracy on the test images
(or the validation images, where a data set has no others). The output has a row a training; the
summary has means with the 95% interval of a bootstrap over networks. It goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nas import Architecture, Target, cost
from nas.data import DataSet, load_data
from nas.study import Study, begin
from nas.study.learning import run
from nas.study.storage.storage import Storage
from nas.support.files import write_whole
from nas.training import Recipe, train

COLUMNS = ("group", "network", "mmacs", "latency_ms", "seed", "accuracy")
SPACE, TARGET = "small", "cpu"
SEEDS = (101, 102, 103)  # random networks are trained once


def studied(name: str, given: argparse.Namespace, recipe: Recipe, learn: int) -> Study:
    """The study of that name, searched to the end."""
    if name in Storage(given.storage).names():
        study = Study.load(name, given.storage)
    else:
        study = begin(
            TARGET, [given.budget], SPACE, name=name, storage=given.storage, data=given.data,
            trials=given.trials, learn=learn, recipe=recipe,
        )  # fmt: skip
    if run(study, study.settings.trials).how == "interrupted":
        raise SystemExit("interrupted: the same command goes on")
    return study


def networks(
    given: argparse.Namespace, recipe: Recipe
) -> Iterator[tuple[str, Architecture, tuple[int, ...]]]:
    """What is compared: its group, and the seeds to train it with."""
    prior = studied("prior", given, recipe, 0)
    if given.learn:
        learned = studied("learned", given, recipe, given.learn)
        yield "learned", learned.network(learned.record()), SEEDS
    yield "prior alone", prior.network(prior.record()), SEEDS
    by_hand = sorted((r for r in prior.records() if r.like), key=lambda r: -r.score)
    for record in by_hand[: given.hand_scaled]:
        yield "hand-scaled", record.arch.renamed(record.like or ""), SEEDS
    rng, candidates = np.random.default_rng(7), prior.candidates
    budget, found = prior.budgets[0], 0
    while found < given.networks:
        drawn = candidates.feasible({}, rng)
        if drawn and drawn.value(budget.measure) >= 0.9 * budget.limit:
            found += 1
            yield "random", drawn.arch.renamed(f"random-{found}"), SEEDS[:1]


def accuracy(arch: Architecture, data: DataSet, recipe: Recipe, seed: int) -> float:
    done = train(arch, data, recipe.changed(seed=seed))
    return 100 * (done.test.accuracy if done.test else done.accuracy)


def summary(rows: list[dict[str, str]]) -> str:
    """One line a group."""
    rng, lines = np.random.default_rng(0), []
    for group in dict.fromkeys(row["group"] for row in rows):
        values: dict[str, list[float]] = {}
        for row in rows:
            if row["group"] == group:
                values.setdefault(row["network"], []).append(float(row["accuracy"]))
        means = np.array([np.mean(each) for each in values.values()])
        draws = rng.choice(means, (10_000, len(means))).mean(axis=1)
        low, high = np.quantile(draws, (0.025, 0.975))
        lines.append(
            f"{group}: {means.mean():.2f} ({low:.2f} to {high:.2f}), best {means.max():.2f}, "
            f"{len(means)} networks"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--budget", default="3MFLOPs")
    parser.add_argument("--learn", type=int, default=30, help="trainings; 0: the prior alone")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--hand-scaled", type=int, default=6, help="the N best-predicted")
    parser.add_argument("--recipe", type=Path)
    parser.add_argument("--storage", default="studies")
    parser.add_argument("--output", type=Path, default=Path("learning.csv"))
    given = parser.parse_args()
    recipe = Recipe.load(given.recipe) if given.recipe else Recipe(epochs=9)
    data, rows = load_data(given.data), list[dict[str, str]]()
    if given.output.exists():
        with given.output.open(newline="") as file:
            rows = list(csv.DictReader(file))
    known = {(row["group"], row["network"], int(row["seed"])) for row in rows}
    target = Target.load(TARGET)
    compared = [
        (group, arch, seed)
        for group, arch, seeds in networks(given, recipe)
        for seed in seeds
        if (group, arch.name, seed) not in known
    ]
    for group, arch, seed in sorted(compared, key=lambda each: each[2]):  # all once, then again
        facts = (
            group, arch.name, f"{cost(arch).macs / 1e6:.3f}", f"{target.predict(arch).ms:.4f}",
            seed, f"{accuracy(arch, data, recipe, seed):.3f}",
        )  # fmt: skip
        rows.append(dict(zip(COLUMNS, map(str, facts), strict=True)))
        lines = [",".join(COLUMNS), *(",".join(row[c] for c in COLUMNS) for row in rows)]
        write_whole(given.output, "\n".join(lines) + "\n")
        print(*facts, flush=True)
    print(summary(rows))


if __name__ == "__main__":
    main()
