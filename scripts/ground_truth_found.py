"""What searches find, trained as the longer truth is: `scripts/results/ground_truth_found.csv`.

    python scripts/ground_truth_found.py plan              # another round, by the prior as it is
    python scripts/ground_truth_found.py train --workers 2 # what the plan has more than the table
    python scripts/ground_truth_found.py report            # each round against networks by hand

A prior that has seen random networks and networks scaled by hand is not checked where a search
leans on it. So a round is the best networks of searches by it, which it then learns from
(`accuracy_tables.py`), and the next round is what is found by what it has learned.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from statistics import fmean
from tempfile import TemporaryDirectory

from ground_truth import DATA, LONG, MALLOC, PLANS, drive
from ground_truth_long_plan import SPACES
from ground_truth_plan import Planned
from ground_truth_table import TABLE, Network, load, networks

from nas import Architecture, SearchSpace
from nas.study import Driver, begin
from nas.support.files import read_text, write_whole

FOUND = TABLE.with_stem("ground_truth_found")
PLAN = FOUND.with_name("ground_truth_found_plan.json")
TARGET = "cpu"
TRIALS = 2000
MMACS = ("2MFLOPs", "4MFLOPs", "8MFLOPs")  # the bands of the longer truth
BUDGETS = {"small": (*MMACS, "0.05ms", "0.1ms", "0.15ms"), "deep": MMACS}
SEEDS = {"small": 3, "deep": 2}
Row = tuple[int, str, float, Architecture]  # round, title, predicted accuracy, network


def plan(number: int) -> Iterator[Row]:
    """What the searches of a round find, in turns."""
    spaces = {"small": SearchSpace.load("small"), "deep": SearchSpace.from_dict(SPACES["deep"])}
    with TemporaryDirectory() as folder:
        for seed in range(max(SEEDS.values())):
            for space, budgets in BUDGETS.items():
                for budget in budgets if seed < SEEDS[space] else ():
                    study = begin(
                        TARGET, [budget], spaces[space], name=f"{space}-{budget}-{seed}",
                        storage=folder, data=DATA, trials=TRIALS, recipe=LONG,
                        seed=100 * number + seed,
                    )  # fmt: skip
                    Driver(study).run(TRIALS)
                    best = study.record()
                    print(number, space, budget, seed, f"{best.score:.2f}", flush=True)
                    yield number, f"{space} {budget}", best.score, study.network(best)


def read() -> list[Row]:
    if not PLAN.exists():
        return []
    rows = json.loads(read_text(PLAN, str(PLAN)))
    return [(number, title, score, Architecture.from_dict(a)) for number, title, score, a in rows]


def train(rows: list[Row], workers: int) -> None:
    """Trains what the table does not have yet, every network once."""
    found = load(FOUND)
    done = {run.hash for run in found}
    left: dict[str, Planned] = {}
    for place, (_, title, _, arch) in enumerate(rows):
        if arch.hash not in done:
            left.setdefault(arch.hash, Planned(place, title, arch))
    print(f"{FOUND}: {len(found)} runs are there, {len(left)} to do", flush=True)
    os.environ.update(MALLOC, OMP_NUM_THREADS="1")
    context = multiprocessing.get_context("spawn")  # a new process reads the variables
    with ProcessPoolExecutor(workers, context) as pool:
        drive(pool, workers, [(each, 0) for each in left.values()], LONG, found, FOUND)


def report(rows: list[Row]) -> str:
    """Mean accuracies by budget: of each round, and of the longer truth's sources by band."""
    accuracy = {n.first.hash: 100 * n.accuracy for n in networks(load(FOUND))}
    numbers = sorted({number for number, *_ in rows})
    text = [
        "| searched | " + " | ".join(f"round {n}" for n in numbers) + " | by hand | best |",
        "|---|" + "---|" * (len(numbers) + 2),
    ]
    truth = networks(load(PLANS["long"].table))
    for title in dict.fromkeys(title for _, title, _, _ in rows):
        cells = [title]
        for number in numbers:
            own = [accuracy[a.hash] for n, t, _, a in rows if (n, t) == (number, title)
                   and a.hash in accuracy]  # fmt: skip
            cells.append(f"{fmean(own):.2f} ({len(own)})" if own else "–")
        hand = by_hand(truth, title)
        cells += [f"{fmean(hand):.2f}", f"{max(hand):.2f}"] if hand else ["–", "–"]
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text)


def by_hand(truth: list[Network], title: str) -> list[float]:
    """Accuracies of the networks scaled by hand to the multiply-adds of a search."""
    budget = title.split()[1]
    return [
        100 * network.accuracy
        for network in truth
        if network.first.group.startswith("scaled")
        and budget == f"{round(network.first.macs / 1e6)}MFLOPs"
    ]


def main() -> None:
    """Plans, trains or reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["plan", "train", "report"])
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    given = parser.parse_args()
    rows = read()
    if given.what == "plan":
        rows += plan(1 + max((number for number, *_ in rows), default=0))
        write_whole(PLAN, json.dumps([(n, t, round(s, 3), a.to_dict()) for n, t, s, a in rows]))
    elif given.what == "train":
        train(rows, given.workers)
    else:
        print(report(rows))


if __name__ == "__main__":
    main()
