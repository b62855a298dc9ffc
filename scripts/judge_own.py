"""Judges how much of what features leave is a network's own: `scripts/results/own.txt`.

    python scripts/judge_own.py

The prior without our own trainings is adapted to 30 networks of the ground truth, by one training
each, and predicts the other two trainings of those that were trained three times, for several
values of `OWN`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from ground_truth import PLANS
from ground_truth_table import load

from nas import AccuracyModel
from nas.accuracy import adaptation
from nas.accuracy.regression import log_odds
from nas.support.files import write_whole

RESULTS = Path(__file__).parent / "results"
ROUNDS, KNOWN, REPEATED = 20, 30, 15
SHARES = (0.0, 0.3, 0.5, 0.55, 0.6, 0.8, 1.0)


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    accuracies: dict[str, list[float]] = defaultdict(list)
    archs = {}
    for run in load(RESULTS / "ground_truth.csv"):
        accuracies[run.hash].append(run.accuracy)
        archs[run.hash] = run.arch
    repeated = [name for name, found in accuracies.items() if len(found) > 1]
    once = [name for name, found in accuracies.items() if len(found) == 1]
    recipe = PLANS["short"].recipe
    lines = [f"{len(repeated)} networks with repeats; {KNOWN} known, {ROUNDS} rounds", ""]
    for share in SHARES:
        adaptation.OWN = share
        rng, errors, inside = np.random.default_rng(0), [], []
        for _ in range(ROUNDS):
            twice = [str(name) for name in rng.permutation(repeated)[:REPEATED]]
            known = [*twice, *map(str, rng.permutation(once)[: KNOWN - REPEATED])]
            prior = AccuracyModel.load(["small"]).trained_for(recipe.steps(30_000))
            model = prior.adapt([(archs[name], accuracies[name][0]) for name in known])
            for name, found in zip(twice, model.predict_many(archs[n] for n in twice), strict=True):
                truth = np.array(accuracies[name][1:])
                errors += [*(log_odds(truth) - log_odds(np.array([found.value])))]
                inside += [*((found.low <= truth) & (truth <= found.high))]
        rms = float(np.sqrt(np.mean(np.square(errors))))
        lines.append(f"own {share:4.2f}: error {rms:.4f} log odds, {np.mean(inside):.0%} inside")
    write_whole(RESULTS / "own.txt", "\n".join(lines) + "\n")
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
