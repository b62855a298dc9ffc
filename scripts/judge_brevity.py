"""What does longer training add to a network, and what does the prior expect of it?

    python scripts/judge_brevity.py > scripts/results/brevity.txt

Networks of our own tables that were trained for longer too (`ground_truth_x4.csv`,
`ground_truth_long_x2.csv`): the gain in log odds beside the expected one, and how the order after
long training is told by brief training, and by that with the expected gain. The prior has seen the
brief trainings of all of them and the longer ones of the first table.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from nas import AccuracyModel, Architecture
from nas.accuracy.regression import log_odds

RESULTS = Path(__file__).parent / "results"
PAIRS = {
    ("ground_truth.csv", 469): ("ground_truth_x4.csv", 1875),
    ("ground_truth_long.csv", 1248): ("ground_truth_long_x2.csv", 2496),
}


def accuracies(name: str) -> dict[str, float]:
    """The mean accuracy of each network of a table."""
    found: dict[str, list[float]] = {}
    with (RESULTS / name).open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["architecture"], []).append(float(row["accuracy"]))
    return {text: float(np.mean(values)) for text, values in found.items()}


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    model = AccuracyModel.load()
    for (first, steps), (second, final_steps) in PAIRS.items():
        brief, long = accuracies(first), accuracies(second)
        texts = [text for text in long if text in brief]
        archs = [Architecture.from_dict(json.loads(text)) for text in texts]
        before, after = (np.array([of[text] for text in texts]) for of in (brief, long))
        pairs = zip(archs, before, strict=True)
        expected = np.array([model.continued(a, b, steps, final_steps) for a, b in pairs])
        gain, hoped = (log_odds(later) - log_odds(before) for later in (after, expected))
        print(
            f"{second}: {len(texts)} networks, {steps} to {final_steps} steps: log odds gained "
            f"{gain.mean():.2f} (sd {gain.std():.3f}), expected {hoped.mean():.2f} (sd "
            f"{hoped.std():.3f}), correlation {np.corrcoef(gain, hoped)[0, 1]:.2f}, off by "
            f"{np.sqrt(np.mean((gain - hoped) ** 2)):.2f}; order after long training by brief "
            f"training {spearmanr(before, after).statistic:.3f}, by what is expected "
            f"{spearmanr(expected, after).statistic:.3f}"
        )


if __name__ == "__main__":
    main()
