"""Do the intervals of measured targets hold on networks of families that were never timed?

    python scripts/judge_intervals.py xeon/litert xeon/ncnn ... > scripts/results/intervals.md

The published networks of a table are left out family by family (a fifth of the families at a time),
its other networks a fifth at a time; single blocks stay. Of each table: how many lie inside, by one
interval for all and by one in proportion to how doubtful a network is, both as wide as nine of ten
networks of a plain 5-fold need. A fit takes some 6 seconds.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from nas.architecture import Architecture
from nas.latency.lowering.rows import Lowering
from nas.latency.metadata import read_metadata
from nas.latency.model.error import LeftOut, interval_factor
from nas.latency.model.fitting import FOLDS, cross_validate, fit_rows
from nas.latency.table import TableRow, read_table
from nas.latency.target import target_path
from nas.references import reference, reference_names

HEAD = (
    "| target | networks inside, one interval | by doubt | of unseen families, one interval "
    "| by doubt | outside twice of it, one | by doubt | usual factor |\n" + "|---" * 8 + "|"
)


def families() -> dict[Architecture, str]:
    """The family of each published network, whatever its resolution."""
    found = {}
    for name in reference_names():
        family = re.match(r"[a-z]+(_v\d)?", name)
        assert family
        found[_plain(reference(name))] = family[0]
    return found


def _plain(arch: Architecture) -> Architecture:
    return replace(arch.renamed(""), resolution=224)


def without(rows: Sequence[TableRow], folds: Mapping[int, int], lowering: Lowering) -> LeftOut:
    """Errors and doubts of the rows of `folds`, in its order, by fits without each fold."""
    found = {}
    for fold in range(FOLDS):
        hidden = {i for i, its in folds.items() if its == fold}
        predictor = fit_rows([r for i, r in enumerate(rows) if i not in hidden], lowering)
        for i in hidden:
            trace = predictor.trace(rows[i].subject.kernels(lowering))
            ms = predictor.constant_ms + trace[0].sum()
            found[i] = np.log(ms / rows[i].latency_ms), predictor.doubtful(trace)
    return LeftOut(*np.array([found[i] for i in folds]).T)


def judged(name: str) -> str:
    """A line of the table."""
    path, known = target_path(name), families()
    lowering, rows = read_metadata(path).lowering, read_table(path.with_suffix(".csv"))
    networks = [i for i, row in enumerate(rows) if row.subject.kind == "network"]
    family = {i: known.get(_plain(rows[i].subject.architecture())) for i in networks}
    order = np.random.default_rng(1).permutation(sorted({f for f in family.values() if f}))
    place = {str(f): k % FOLDS for k, f in enumerate(order)}
    folds = {i: place[f] if (f := family[i]) else k % FOLDS for k, i in enumerate(networks)}
    plain, grouped = cross_validate(rows, networks, lowering), without(rows, folds, lowering)
    unseen = np.array([family[i] is not None for i in networks])
    one = np.log(interval_factor(plain.logs))
    usual = np.log(interval_factor(plain.logs / plain.deviations))
    widths = np.full(len(networks), one), usual * grouped.deviations
    off = np.abs(grouped.logs)
    held = [f"{np.mean(off[~unseen] <= width[~unseen]):.1%}" for width in widths]
    held += [f"{np.mean(off[unseen] <= width[unseen]):.1%}" for width in widths]
    held += [f"{np.mean(off[unseen] > 2 * width[unseen]):.1%}" for width in widths]
    factors = f"{np.exp(one):.3f}, {np.exp(usual):.3f}"
    return f"| `{name}` | {' | '.join(held)} | {factors} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*")
    names = parser.parse_args().targets
    print(HEAD, flush=True)
    for name in names:
        print(judged(name), flush=True)


if __name__ == "__main__":
    main()
