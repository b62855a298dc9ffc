"""Makes the accuracy tables of our own trainings, as `nas/accuracy/tables/NAME.csv`.

    python scripts/accuracy_tables.py

small: the ground truth, the networks that are hard to fool, the longer truth and what searches
found, each recipe for as long as it was run. Its YAML is written by hand. Published ImageNet
accuracies are a table written by hand altogether, those of CIFAR come from `published_cifar.py`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from ground_truth_table import TABLE, Run, load

from nas.accuracy.table import FOLDER, TableRow, read_accuracy_table, write_rows

SOURCES = {
    "small": {
        "one_pass": ("ground_truth.csv", "hard_to_fool.csv"),
        "four_passes": ("ground_truth_x4.csv",),
        "long_8": ("ground_truth_long.csv", "ground_truth_found.csv"),
        "long_16": ("ground_truth_long_x2.csv",),
    }
}
# Networks of the longer truth that judge the prior (`judge_long.py`): it does not learn from them.
HELD_OUT = frozenset({29, 40, 47, 48, 49, 51, 53})


def rows(recipe: str, paths: list[Path]) -> list[TableRow]:
    """A row a network, the mean over its seeds, named by its table and its number there."""
    runs: dict[str, list[tuple[str, Run]]] = defaultdict(list)
    for path in paths:
        for run in load(path):
            if path.stem == "ground_truth_long" and run.number in HELD_OUT:
                continue
            runs[run.hash].append((f"{path.stem} {run.number}", run))
    found = []
    for same in runs.values():
        name, first = same[0]
        accuracy = round(100 * fmean(run.accuracy for _, run in same), 3)
        found.append(TableRow.of(first.arch, recipe, accuracy, len(same), name))
    return found


def main() -> None:
    """Writes every table and reads it back."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    for name, recipes in SOURCES.items():
        path = FOLDER / f"{name}.csv"
        found = [
            row
            for recipe, files in recipes.items()
            for row in rows(recipe, [TABLE.with_name(file) for file in files])
        ]
        write_rows(path, found)
        print(f"{path}: {len(read_accuracy_table(path).rows)} networks")


if __name__ == "__main__":
    main()
