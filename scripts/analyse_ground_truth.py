"""What the table of trained networks says about scores: writes `docs/results.md`.

    python scripts/analyse_ground_truth.py [--table FILE] [--output FILE]

The table may still be growing: what it cannot tell yet is left out, and the text says so.
"""

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from ground_truth_plan import NETWORKS, runs
from ground_truth_search import TRAININGS, regrets
from ground_truth_table import TABLE, Network, load, networks
from scipy.stats import kendalltau, rankdata, spearmanr

from nas import NasError
from nas.proxies import DEFAULT, PROXIES, Combiner, scores

OUTPUT = Path(__file__).parents[1] / "docs" / "results.md"
RESAMPLES = 1000
FEWEST = 8  # networks below which a rank correlation says nothing
FEWEST_REPEATED = 5
COMBINATIONS = {  # by log rank, as `nas search` combines
    "default": DEFAULT,
    "MeCo and parts of AZ-NAS": ("meco_sampled", "expressivity", "trainability", "synflow"),
    "default and `calmness`": (*DEFAULT, "calmness"),
    "MeCo, effective parameters, calmness": ("meco_sampled", "effective_params", "calmness"),
    "AZ-NAS without complexity": ("expressivity", "progressivity", "trainability"),
    **{f"default without `{left}`": tuple(n for n in DEFAULT if n != left) for left in DEFAULT},
}
Vector = np.ndarray[Any, np.dtype[np.float64]]


def main() -> None:
    """Reads the table and writes the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args()
    found = networks(load(asked.table))
    if not found:
        raise SystemExit(f"{asked.table}: no run yet: python scripts/ground_truth.py")
    asked.output.write_text(report(found), encoding="utf-8")
    print(f"{asked.output}: of {len(found)} networks")


def report(found: list[Network]) -> str:
    """The document of a table."""
    first = found[0].first
    accuracy = np.array([n.first.accuracy for n in found])  # one seed each: the same noise for all
    several = sum(len(n.runs) > 1 for n in found)
    seconds = [run.seconds for n in found for run in n.runs]
    columns = measures(found) if len(found) >= FEWEST else {}
    parts = [
        "# What scores say about trained accuracy",
        "Made by `scripts/analyse_ground_truth.py` from `scripts/results/ground_truth.csv`, "
        f"{date.today()}.",
        f"{len(found)} of the {NETWORKS} planned networks ({sum(len(n.runs) for n in found)} of "
        f"{len(runs())} runs) are trained, {several} of them with several seeds. "
        f"Test accuracy: {accuracy.min():.1%} to {accuracy.max():.1%}, median "
        f"{np.median(accuracy):.1%}. A run took {np.median(seconds):.0f} s (median; "
        f"{max(seconds):.0f} s at most) on one core of {first.machine}.",
        f"Recipe: `{first.recipe}`",
        "## Noise\n\n" + noise(found),
        "## Scores\n\n" + correlations(columns, found, accuracy),
        "## Families\n\n" + families(columns, found, accuracy),
        "## Search\n\n" + search(columns, accuracy),
    ]
    return "\n\n".join(parts) + "\n"


def noise(found: list[Network]) -> str:
    """The deviation between seeds, and the rank correlation that a perfect score would reach."""
    groups = [[run.accuracy for run in n.runs] for n in found if len(n.runs) > 1]
    if len(groups) < FEWEST_REPEATED or len(found) < FEWEST:
        return f"Not known yet: {len(groups)} networks have several seeds."
    deviation = pooled_deviation(groups)
    accuracy = np.array([n.first.accuracy for n in found])
    total = float(accuracy.std(ddof=1))
    overall = ceiling(accuracy, deviation)
    macs = np.array([n.first.macs for n in found], float)
    partial = ceiling(accuracy, deviation, macs)
    return (
        f"Between seeds of one network accuracy deviates by {deviation:.2%} (pooled over "
        f"{len(groups)} networks), between networks by {total:.2%}. A score that knew the "
        f"true accuracy of each network would therefore have a Spearman correlation of about "
        f"{overall:.2f} with one run of each, and of {partial:.2f} given MACs: the ceiling of "
        "the table below."
    )


def pooled_deviation(groups: list[list[float]]) -> float:
    """The standard deviation within groups, pooled by degrees of freedom."""
    squares = sum(float(np.var(g, ddof=1)) * (len(g) - 1) for g in groups)
    return float((squares / sum(len(g) - 1 for g in groups)) ** 0.5)


def ceiling(accuracy: Vector, deviation: float, given: Vector | None = None) -> float:
    """Spearman between true and measured accuracy, by simulation.

    The true values are the measured ones, drawn together so that with the noise they spread as
    much as what was measured.
    """
    variance = float(accuracy.var(ddof=1))
    kept = max(0.0, 1 - deviation**2 / variance) ** 0.5 if variance else 0.0
    true = accuracy.mean() + kept * (accuracy - accuracy.mean())
    rng = np.random.default_rng(0)
    draws = [true + rng.normal(0, deviation, len(true)) for _ in range(200)]
    if given is None:
        return fmean(spearman(true, draw) for draw in draws)
    return fmean(partial_spearman(true, draw, given) for draw in draws)


def spearman(x: Vector, y: Vector) -> float:
    """Spearman's rank correlation, 0 for a constant."""
    return float(np.nan_to_num(spearmanr(x, y).statistic)) if np.ptp(x) and np.ptp(y) else 0.0


def partial_spearman(x: Vector, y: Vector, given: Vector) -> float:
    """The correlation of the ranks of x and y after those of `given` are regressed out of both."""
    a, b, c = spearman(x, y), spearman(x, given), spearman(y, given)
    scale = ((1 - b * b) * (1 - c * c)) ** 0.5
    return (a - b * c) / scale if scale > 1e-9 else 0.0


def partial_kendall(x: Vector, y: Vector, given: Vector) -> float:
    """Kendall's partial rank correlation."""
    a, b, c = (kendall(*pair) for pair in ((x, y), (x, given), (y, given)))
    scale = ((1 - b * b) * (1 - c * c)) ** 0.5
    return (a - b * c) / scale if scale > 1e-9 else 0.0


def kendall(x: Vector, y: Vector) -> float:
    """Kendall's tau-b, 0 for a constant."""
    return float(np.nan_to_num(kendalltau(x, y).statistic)) if np.ptp(x) and np.ptp(y) else 0.0


def correlations(columns: dict[str, Vector], found: list[Network], accuracy: Vector) -> str:
    """The table of rank correlations, best first."""
    if len(found) < FEWEST:
        return f"Not known yet: {len(found)} networks are too few for a rank correlation."
    macs = np.array([n.first.macs for n in found], float)
    rows = []
    for name, values in columns.items():
        defined = np.isfinite(values)
        if defined.sum() < FEWEST:
            rows.append((-2.0, f"| {name} | undefined for most | | | | |"))
            continue
        x, y, given = values[defined], accuracy[defined], macs[defined]
        rho, low, high = bootstrapped(spearman, x, y)
        best = y >= np.quantile(y, 0.8)
        cells = [f"{rho:.2f} ({low:.2f} to {high:.2f})", f"{kendall(x, y):.2f}"]
        cells.append(f"{spearman(x[best], y[best]):.2f}")
        if name == "MACs":
            cells += ["–", "–"]
        else:
            part, low, high = bootstrapped(partial_spearman, x, y, given)
            cells += [
                f"{part:.2f} ({low:.2f} to {high:.2f})",
                f"{partial_kendall(x, y, given):.2f}",
            ]
        missing = "" if defined.all() else f" ({defined.sum()} networks)"
        rows.append((rho, f"| {name}{missing} | {' | '.join(cells)} |"))
    head = "| score | Spearman | Kendall | of the best fifth | Spearman given MACs | "
    head += "Kendall given MACs |\n|---|---|---|---|---|---|"
    ordered = [row for _, row in sorted(rows, key=lambda r: -r[0])]
    text = (
        f"Rank correlation with the accuracy of one run of each network; in brackets 95% of "
        f"{RESAMPLES} resamples of the networks. *Given MACs* is the partial rank correlation."
    )
    return "\n".join([text, "", head, *ordered])


def measures(found: list[Network]) -> dict[str, Vector]:
    """MACs, parameters, depth, resolution, every proxy and combination; NaN where undefined."""
    values = {
        "MACs": [float(n.first.macs) for n in found],
        "parameters": [float(n.first.params) for n in found],
        "depth": [float(n.first.depth) for n in found],
        "resolution": [float(n.first.resolution) for n in found],
    }
    each = [scores(n.first.arch, list(PROXIES)) for n in found]
    for name in PROXIES.keys() - {"macs", "params"}:  # the first two rows
        values[f"`{name}`"] = [row[name] for row in each]
    for name, members in COMBINATIONS.items():
        try:
            combiner = Combiner(members).fit(each)
        except NasError:  # a member is undefined for all
            continue
        values[name] = [combiner.score(row) for row in each]
    return {name: np.array(column) for name, column in values.items()}


def bootstrapped(statistic: Callable[..., float], *columns: Vector) -> tuple[float, float, float]:
    """The statistic and its 95% interval over resamples of the networks."""
    rng = np.random.default_rng(0)
    n = len(columns[0])
    ranked = [rankdata(column) for column in columns]
    drawn = []
    for _ in range(RESAMPLES):
        members = rng.integers(n, size=n)
        drawn.append(statistic(*(column[members] for column in ranked)))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return statistic(*columns), float(low), float(high)


def families(columns: dict[str, Vector], found: list[Network], accuracy: Vector) -> str:
    """What is left of accuracy by family after a parabola in log MACs, and the default's error."""
    if len(found) < 3 * FEWEST:
        return f"Not known yet: {len(found)} networks are too few."
    logs = np.log([n.first.macs for n in found])
    left = 100 * (accuracy - np.polyval(np.polyfit(logs, accuracy, 2), logs))
    error = 100 * (rankdata(columns["default"]) - rankdata(accuracy)) / len(found)
    rows = []
    for group in sorted({n.first.group for n in found}):
        own = [n.first.group == group for n in found]
        cells = [f"{mean(v[own])}" for v in (left, error)]
        rows.append((-left[own].mean(), f"| {group} | {sum(own)} | {' | '.join(cells)} |"))
    text = (
        "*Points*: accuracy above that of all networks of equal MACs (a parabola in log MACs). "
        "*Rank error*: how much too high the default score ranks the family, in percent of all "
        "ranks. In brackets 95% intervals of the mean."
    )
    head = "| family | networks | points | rank error, % |\n|---|---|---|---|"
    return "\n".join([text, "", head, *(row for _, row in sorted(rows))])


def mean(values: Vector) -> str:
    """The mean and its 95% interval over resamples."""
    draws = np.random.default_rng(0).choice(values, (RESAMPLES, len(values))).mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{values.mean():+.1f} ({low:+.1f} to {high:+.1f})"


def search(columns: dict[str, Vector], accuracy: Vector) -> str:
    """How far from the best a search ends that may train few networks."""
    if len(accuracy) < 2 * max(TRAININGS) + FEWEST:
        return f"Not known yet: {len(accuracy)} networks are too few."
    whole = {name: v for name, v in columns.items() if np.isfinite(v).all()}
    led = {"default": whole.pop("default"), **whole}
    features = {name: led[name] for name in ("default", *(f"`{n}`" for n in DEFAULT), "MACs")}
    found = regrets(accuracy, led, features)
    rows = [
        f"| {name} | " + " | ".join(f"{100 * m:.2f} ({100 * h:.2f})" for m, _, h in cells) + " |"
        for name, cells in sorted(found.items(), key=lambda item: item[1][1][0])
    ]
    text = (
        "The table as a search space: how many points of accuracy the best network found lies "
        "below the best there is, after so many trainings. Means over random halves of the table, "
        "in brackets what 97.5% of them stay below. *model*: a Gaussian process on the ranks of "
        "the default's members and MACs, with expected improvement."
    )
    head = f"| led by | {' | '.join(map(str, TRAININGS))} |\n|---|{'---|' * len(TRAININGS)}"
    return "\n".join([text, "", head, *rows])


if __name__ == "__main__":
    main()
