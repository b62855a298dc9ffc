"""How many trials the default sampler takes to the final hypervolume of random search.

    python scripts/bench_search.py FOLDER [--seeds 10] [--trials 200] [--without-cascade]

Random search has so many trials a seed, the default sampler a fifth of them, which is the goal. The
studies are kept in FOLDER, and a run that was stopped goes on. What was scored is kept there too,
as every sampler of a seed scores the same reference sample.

Writes scripts/results/search.csv (one line a case and sampler) and search_curves.csv (medians and
percentiles by trial), and docs/search_CASE.svg.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from nas.charts.figure import save
from nas.defaults import DEFAULT_SAMPLER, DEFAULT_TRIALS
from nas.report.compare import compare_figure
from nas.study import Driver, Options, Study
from nas.study.compare import (
    Curve,
    Interval,
    at_trial,
    by_sampler,
    curves,
    rank_test,
    study_of,
    trials_to_reach,
)
from nas.study.samplers.budget import BudgetSampler
from nas.study.samplers.cascade import features, fitted
from nas.study.samplers.history import History
from nas.study.samplers.registry import SAMPLERS
from nas.study.workers.executors import InlineExecutor

ROOT = Path(__file__).parent
ASKS = 30
CASES = {
    "mobile": ("jetson", ["300MFLOPs"], "mobile"),
    "small": ("jetson", ["15MFLOPs"], "small"),
}


class Kept(InlineExecutor):
    """Evaluates what is not known yet: a score depends on network, proxies and seed only."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self._known = path, {}
        if path.exists():
            for line in path.read_text().splitlines():
                key, scores = json.loads(line)
                self._known[tuple(key)] = scores

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        arch, _, seed = args
        key = (arch.hash, seed)
        if key in self._known:
            return super().submit(lambda: self._known[key])
        future = super().submit(fn, *args, **kwargs)
        if future.exception() is None:
            self._known[key] = dict(future.result())
            with self._path.open("a") as file:
                file.write(json.dumps([key, self._known[key]]) + "\n")
        return future


def run(case: str, folder: Path, seeds: int, trials: int, without: bool) -> list[Study]:
    """Studies of random search and of the default sampler, also `without` its cascade."""
    target, budgets, space = CASES[case]
    executor = Kept(folder / f"{case}.jsonl")
    studies, few = [], trials // 5
    runs: list[Options] = [
        {"sampler": "random", "trials": trials},
        {"sampler": DEFAULT_SAMPLER, "trials": few},
    ]
    if without:
        runs.append({"sampler": DEFAULT_SAMPLER, "cascade": 1, "trials": few})
    for seed in range(seeds):
        for options in runs:
            goal = options["trials"] or DEFAULT_TRIALS
            options |= {"seed": seed, "storage": str(folder)}
            study = study_of(target, budgets, space, **options)
            if Driver(study, executor).run(goal) == "interrupted":
                raise SystemExit("interrupted: run it again to go on")
            studies.append(study)
            print(f"{study.name}: {goal} trials", flush=True)
    return studies


def screened(studies: list[Study]) -> tuple[float, float]:
    """What a cascade's prediction from the reference sample is worth, and what proposing costs: its
    mean Spearman correlation with the scores of random search, and CPU milliseconds a trial."""
    found = []
    for study in studies:
        if study.settings.sampler == "random":
            (x, known), (new, real) = (
                (
                    np.array([features(study.candidates.make(t.params)) for t in trials]),
                    np.array([t.values[0] for t in trials]),
                )
                for trials in (study.reference_trials, study.trials())
            )
            found.append(spearmanr(fitted(x, -np.log(-known))(new), real)[0])
    study = next(s for s in studies if s.settings.cascade > 1)
    history = History(study.directions, SAMPLERS[DEFAULT_SAMPLER], study.frozen)
    for trial in study.stored():
        history.add(trial)
    history.ask(BudgetSampler(study, history, 0, ()))  # features are read once
    begun = process_time()
    for number in range(1, ASKS + 1):
        history.ask(BudgetSampler(study, history, number, ()))
    return float(np.mean(found)), (process_time() - begun) / ASKS * 1e3


def results(case: str, found: list[Curve], trials: int) -> Iterator[dict[str, Any]]:
    """What is claimed, with its test: hypervolumes at a fifth of random search's trials and its
    final ones, by seed. What is not reached counts as twice the trials."""
    groups, fifth = by_sampler(found), trials // 5
    random = groups.pop("random")
    goals = {c.seed: float(c.hypervolume[trials - 1]) for c in random}
    for name, group in groups.items():
        reach = Interval.of([min(n, 2 * trials) for n in trials_to_reach(group, goals)])
        ratio = Interval.of(at_trial(group, "hypervolume", fifth) / np.array(list(goals.values())))
        best = Interval.of(at_trial(group, "best", fifth))
        yield {
            "case": case,
            "sampler": name,
            "seeds": len(group),
            "random_trials": trials,
            "trials_to_reach_median": reach.median,
            "trials_to_reach_p90": round(reach.high, 1),
            "hypervolume_ratio_at_fifth_median": round(ratio.median, 4),
            "hypervolume_ratio_at_fifth_p10": round(ratio.low, 4),
            "p": f"{rank_test(group, random, 'hypervolume', fifth, trials).p:.2g}",
            "best_at_fifth_median": round(best.median, 4),
            "random_best_median": round(Interval.of(at_trial(random, "best", trials)).median, 4),
        }


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """A CSV file of rows with the same keys."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def by_trial(case: str, found: list[Curve]) -> list[dict[str, Any]]:
    """Medians and percentiles of each sampler after every tenth trial."""
    rows = []
    for sampler, group in by_sampler(found).items():
        for trial in range(10, min(len(c.best) for c in group) + 1, 10):
            row: dict[str, Any] = {"case": case, "sampler": sampler, "trial": trial}
            for measure in ("best", "hypervolume"):
                for key, value in Interval.of(at_trial(group, measure, trial))._asdict().items():
                    row[f"{measure}_{key}"] = round(value, 4)
            rows.append(row)
    return rows


def main() -> None:
    """Runs the cases and writes what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--without-cascade", action="store_true", help="also the sampler alone")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for case in args.cases.split(","):
        studies = run(case, args.folder, args.seeds, args.trials, args.without_cascade)
        found = curves(studies)
        rho, ms = screened(studies)
        print(f"{case}: prediction {rho:.3f} (Spearman), {ms:.0f} ms a proposal of a trial")
        rows += results(case, found, args.trials)
        lines += by_trial(case, found)
        figure = compare_figure(found, seconds=False)
        save(figure, ROOT.parent / "docs" / f"search_{case}.svg")
        print(*rows, sep="\n")
    write(ROOT / "results" / "search.csv", rows)
    write(ROOT / "results" / "search_curves.csv", lines)


if __name__ == "__main__":
    main()
