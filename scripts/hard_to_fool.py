"""Does a score hold when a search leans on it? `scripts/results/hard_to_fool.csv`.

    python scripts/hard_to_fool.py plan                # the searches; goes on where it stopped
    python scripts/hard_to_fool.py train --workers 2   # the trainings; goes on where it stopped
    python scripts/hard_to_fool.py report              # at any time

For two budgets in multiply-adds: the networks that a search on each score calls best, and random
feasible ones of the same multiply-adds, all trained alike (the recipe of `ground_truth.py`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from analyse_ground_truth import COMBINATIONS, SHORT
from ground_truth import MALLOC, RECIPE, drive
from ground_truth_plan import RESOLUTIONS, Planned
from ground_truth_table import load, networks

from nas import Architecture, SearchSpace, Study, cost
from nas.proxies import DEFAULT
from nas.study import Driver, begin
from nas.study.candidates import Candidates
from nas.study.storage.storage import Storage
from nas.support.files import read_text, write_whole

RESULTS = Path(__file__).parent / "results"
TARGET = "cpu"  # only multiply-adds are limited
BUDGETS = ("3MFLOPs", "8MFLOPs")
RANDOM = "random"
SCORES = {
    "default": DEFAULT,
    SHORT: COMBINATIONS[SHORT],
    "synflow": ("synflow",),
}
TOLERANCE = 0.05  # of the multiply-adds
RESAMPLES = 2000

Row = tuple[str, str, Architecture]  # budget, what chose it, network


def main() -> None:
    """Plans, trains or reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["plan", "train", "report"])
    parser.add_argument("--folder", type=Path, default=RESULTS, help="of the plan and the table")
    parser.add_argument("--storage", help="where the searches are kept; default ./studies")
    parser.add_argument("--networks", type=int, default=20, help="of each kind and budget")
    parser.add_argument("--trials", type=int, default=600, help="of each search")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--runs", type=int, default=10**6, help="stop after N more trainings")
    asked = parser.parse_args()
    path, table = asked.folder / "hard_to_fool_plan.json", asked.folder / "hard_to_fool.csv"
    if asked.what == "plan":
        rows = plan(asked.networks, asked.trials, asked.storage)
        asked.folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps([(b, c, arch.to_dict()) for b, c, arch in rows]))
        print(f"{path}: {len(rows)} networks")
        return
    rows = [(b, c, Architecture.from_dict(a)) for b, c, a in json.loads(read_text(path, str(path)))]
    if asked.what == "train":
        train(rows, table, asked.workers, asked.runs)
    else:
        print(report(rows, {n.first.hash: n.accuracy for n in networks(load(table))}))


def plan(count: int, trials: int, storage: str | None) -> list[Row]:
    """The networks, those of equal rank together, so that any beginning can be compared."""
    base = SearchSpace.load("small").to_dict() | {"channels": 1, "resolution": RESOLUTIONS}
    space = SearchSpace.from_dict(base)
    columns: list[list[Row]] = []
    for budget in BUDGETS:
        for name, proxies in SCORES.items():
            study = searched(space, budget, name, proxies, trials, storage)
            best = sorted(study.records(), key=lambda r: -r.score)[:count]
            columns.append([(budget, name, r.arch) for r in best])
            if name == "default":
                rng = np.random.default_rng(0)
                chosen = [alike(study.candidates, r.macs, rng) for r in best]
                columns.append([(budget, RANDOM, arch) for arch in chosen])
    return [row for rows in zip(*columns, strict=True) for row in rows]


def searched(
    space: SearchSpace,
    budget: str,
    name: str,
    proxies: tuple[str, ...],
    trials: int,
    storage: str | None,
) -> Study:
    """The study of a score with all of its trials, begun or gone on with."""
    title = f"hard-to-fool-{budget.lower()}-{'-'.join(proxies) if proxies != DEFAULT else name}"
    if title in Storage(storage).names():
        study = Study.load(title, storage)
    else:
        study = begin(TARGET, [budget], space, name=title, storage=storage, proxies=proxies)
    ended = Driver(study).run(trials)
    print(f"{title}: {ended}, best score {study.record().score:.3f}", flush=True)
    if ended == "interrupted":
        raise SystemExit(130)
    return study


def alike(candidates: Candidates, macs: int, rng: np.random.Generator) -> Architecture:
    """A random network within budget whose multiply-adds are within the tolerance of `macs`."""
    while True:
        candidate = candidates.feasible({}, rng)
        if candidate and abs(candidate.cost.macs / macs - 1) <= TOLERANCE:
            return candidate.arch


def train(rows: list[Row], table: Path, workers: int, most: int) -> None:
    """Trains what the table does not have yet, every network once."""
    found = load(table)
    done = {run.hash for run in found}
    left: dict[str, Planned] = {}
    for number, (budget, chosen_by, arch) in enumerate(rows):
        if arch.hash not in done:
            left.setdefault(arch.hash, Planned(number, f"{budget} {chosen_by}", arch))
    print(f"{table}: {len(found)} runs are there, {len(left)} to do", flush=True)
    os.environ.update(MALLOC, OMP_NUM_THREADS="1")
    context = multiprocessing.get_context("spawn")  # a new process reads the variables
    with ProcessPoolExecutor(workers, context) as pool:
        jobs = [(planned, 0) for planned in left.values()][:most]
        drive(pool, workers, jobs, RECIPE, found, table)


def report(rows: list[Row], accuracy: dict[str, float]) -> str:
    """By budget and score the lead over random networks, in points, with its 95% interval."""
    groups: dict[tuple[str, str], list[Architecture]] = defaultdict(list)
    for budget, chosen_by, arch in rows:
        if arch.hash in accuracy:
            groups[budget, chosen_by].append(arch)
    rng = np.random.default_rng(0)
    text = [
        "| budget | chosen by | networks | MMACs | accuracy, % | lead over random | 95% interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for (budget, chosen_by), archs in groups.items():
        own = 100 * np.array([accuracy[a.hash] for a in archs])
        others = 100 * np.array([accuracy[a.hash] for a in groups.get((budget, RANDOM), [])])
        lead = ["–", "–"]
        if chosen_by != RANDOM and len(others):
            means = [rng.choice(v, (RESAMPLES, len(v))).mean(1) for v in (own, others)]
            low, high = np.percentile(means[0] - means[1], [2.5, 97.5])
            lead = [f"{own.mean() - others.mean():+.2f}", f"{low:+.2f} to {high:+.2f}"]
        macs = np.mean([cost(a).macs for a in archs]) / 1e6
        cells = [budget, chosen_by, len(own), f"{macs:.1f}", f"{own.mean():.2f}", *lead]
        text.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(text)


if __name__ == "__main__":
    main()
