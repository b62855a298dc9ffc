"""What the table of trained networks says about scores: writes `docs/results.md`.

    python scripts/analyse_ground_truth.py [--table FILE] [--output FILE]

The table may still be growing: what it cannot tell yet is left out, and the text says so.
"""

import argparse
from datetime import date
from pathlib import Path

import numpy as np
from ground_truth_plan import NETWORKS, runs
from ground_truth_search import TRAININGS, regressions, regrets
from ground_truth_table import TABLE, Network, load, networks
from rank_statistics import (
    RESAMPLES,
    Vector,
    bootstrapped,
    ceiling,
    kendall,
    mean,
    partial_kendall,
    partial_spearman,
    pooled_deviation,
    spearman,
)
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from nas import NasError
from nas.proxies import DEFAULT, PROXIES, Combiner, scores

OUTPUT = Path(__file__).parents[1] / "docs" / "results.md"
LONGER = 4  # times the training, in the table of the check
FEWEST = 8  # networks below which a rank correlation says nothing
FEWEST_REPEATED = 5
SHORT = "MeCo, effective parameters, calmness"  # what `small` names
COMBINATIONS = {  # by log rank, as `nas search` combines
    "default": DEFAULT,
    "MeCo and parts of AZ-NAS": ("meco_sampled", "expressivity", "trainability", "synflow"),
    "default and `calmness`": (*DEFAULT, "calmness"),
    SHORT: ("meco_sampled", "effective_params", "calmness"),
    "AZ-NAS": ("expressivity", "progressivity", "trainability", "macs"),
    "width and parameters": ("width", "params"),
    **{f"default without `{left}`": tuple(n for n in DEFAULT if n != left) for left in DEFAULT},
}
PROTOTYPE = {  # Spearman and Spearman given MACs of 64 networks, 16,000 images, 3 epochs
    "MACs": ".45",
    "parameters": ".64, .51",
    "AZ-NAS": ".47, .33",
    "`synflow`": ".40, .3",
    "`zico`": ".40, .3",
    "`zen`": ".37, .25",
    "`entropy`": ".37, .25",
    "`naswot`": "about 0",
    "`swap`": "about 0",
    "`jacob_cov`": "about 0",
    "`meco_sampled`": ".73, .66",
    "width and parameters": ".72, .64",
}


def main() -> None:
    """Reads the table and writes the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args()
    found = networks(load(asked.table))
    longer = networks(load(asked.table.with_stem(f"{asked.table.stem}_x{LONGER}")))
    if not found:
        raise SystemExit(f"{asked.table}: no run yet: python scripts/ground_truth.py")
    with threadpool_limits(1):  # beside trainings a second thread only waits for the first
        text = report(found, longer)
    asked.output.write_text(text, encoding="utf-8")
    print(f"{asked.output}: of {len(found)} networks")


def report(found: list[Network], longer: list[Network]) -> str:
    """The document of a table, and of that of the networks that were trained longer."""
    first = found[0].first
    accuracy = np.array([n.first.accuracy for n in found])  # one seed each: the same noise for all
    several = sum(len(n.runs) > 1 for n in found)
    seconds = [run.seconds for n in found for run in n.runs]
    columns = measures(found) if len(found) >= FEWEST else {}
    parts = [
        "# What scores say about trained accuracy",
        "Made by `scripts/analyse_ground_truth.py` from `scripts/results/ground_truth.csv`, "
        f"{date.today()}.",
        "Proxies are compared here. A search scores by [predicted accuracy](accuracy.md), which "
        "ranks these networks with .87 (given MACs .82) when it is made without them; *default* is "
        "the four proxies that searches had before.",
        f"{len(found)} of the {NETWORKS} planned networks ({sum(len(n.runs) for n in found)} of "
        f"{len(runs())} runs) are trained, {several} of them with several seeds. "
        f"Test accuracy: {accuracy.min():.1%} to {accuracy.max():.1%}, median "
        f"{np.median(accuracy):.1%}. A run took {np.median(seconds):.0f} s (median; "
        f"{max(seconds):.0f} s at most) on one core of {first.machine}.",
        f"Recipe: `{first.recipe}`",
        "## Noise\n\n" + noise(found),
        "## Scores\n\n" + correlations(columns, found, accuracy),
        "## Longer training\n\n" + lengthened(columns, found, longer),
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


def correlations(columns: dict[str, Vector], found: list[Network], accuracy: Vector) -> str:
    """The table of rank correlations, best first."""
    if len(found) < FEWEST:
        return f"Not known yet: {len(found)} networks are too few for a rank correlation."
    macs = np.array([n.first.macs for n in found], float)
    rows = []
    for name, values in columns.items():
        defined = np.isfinite(values)
        if defined.sum() < FEWEST:
            rows.append((-2.0, f"| {name} | undefined for most | | | | | |"))
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
        cells.append(PROTOTYPE.get(name, ""))
        missing = "" if defined.all() else f" ({defined.sum()} networks)"
        rows.append((rho, f"| {name}{missing} | {' | '.join(cells)} |"))
    head = "| score | Spearman | Kendall | of the best fifth | Spearman given MACs | "
    head += "Kendall given MACs | prototype |\n|---|---|---|---|---|---|---|"
    ordered = [row for _, row in sorted(rows, key=lambda r: -r[0])]
    text = (
        f"Rank correlation with the accuracy of one run of each network; in brackets 95% of "
        f"{RESAMPLES} resamples of the networks. *Given MACs* is the partial rank correlation. "
        "*Prototype*: Spearman, and given MACs, of 64 networks after 3 epochs on 16,000 images."
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


def lengthened(columns: dict[str, Vector], found: list[Network], longer: list[Network]) -> str:
    """Whether the order of the networks, and what scores say of it, outlasts the short training."""
    place = {n.first.hash: i for i, n in enumerate(found)}
    both = [n for n in longer if n.first.hash in place]
    if len(both) < FEWEST or not columns:
        return f"Not known yet: {len(both)} networks were trained {LONGER} times as long."
    at = [place[n.first.hash] for n in both]
    short = np.array([found[i].first.accuracy for i in at])
    long = np.array([n.first.accuracy for n in both])
    rho, low, high = bootstrapped(spearman, short, long)
    text = (
        f"{len(both)} networks were trained {LONGER} times as long: the median accuracy rises from "
        f"{np.median(short):.1%} to {np.median(long):.1%}. Spearman between the two orders: "
        f"{rho:.2f} ({low:.2f} to {high:.2f}), Kendall {kendall(short, long):.2f}. Spearman of "
        "scores with either, on these networks:"
    )
    rows = []
    for name in ("default", *(c for c in columns if c != "default")):
        x = columns[name][at]
        if np.isfinite(x).all():
            found_by = [bootstrapped(spearman, x, y) for y in (short, long)]
            cells = [f"{rho:.2f} ({low:.2f} to {high:.2f})" for rho, low, high in found_by]
            rows.append((-found_by[1][0], f"| {name} | {' | '.join(cells)} |"))
    head = f"| score | as in the table | {LONGER} times as long |\n|---|---|---|"
    return "\n".join([text, "", head, *(row for _, row in sorted(rows))])


def families(columns: dict[str, Vector], found: list[Network], accuracy: Vector) -> str:
    """What is left of accuracy by family after a parabola in log MACs, and two scores' errors."""
    if len(found) < 3 * FEWEST:
        return f"Not known yet: {len(found)} networks are too few."
    logs = np.log([n.first.macs for n in found])
    left = 100 * (accuracy - np.polyval(np.polyfit(logs, accuracy, 2), logs))
    errors = [
        100 * (rankdata(columns[name]) - rankdata(accuracy)) / len(found)
        for name in ("default", SHORT)
    ]
    rows = []
    for group in sorted({n.first.group for n in found}):
        own = [n.first.group == group for n in found]
        cells = [f"{mean(v[own])}" for v in (left, *errors)]
        rows.append((-left[own].mean(), f"| {group} | {sum(own)} | {' | '.join(cells)} |"))
    text = (
        "*Points*: accuracy above that of all networks of equal MACs (a parabola in log MACs). "
        "*Rank error*: how much too high a score ranks the family, in percent of all ranks. In "
        "brackets 95% intervals of the mean."
    )
    head = (
        f"| family | networks | points | rank error, %: default | {SHORT} |\n|---|---|---|---|---|"
    )
    return "\n".join([text, "", head, *(row for _, row in sorted(rows))])


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
    fitted = regressions(accuracy, whole | {"default": led["default"]})
    text = (
        "The table as a search space: how many points of accuracy the best network found lies "
        "below the best there is, after so many trainings. Means over random halves of the table, "
        "in brackets what 97.5% of them stay below. *model*: a Gaussian process on the ranks of "
        "the default's members and MACs, with expected improvement."
    )
    head = f"| led by | {' | '.join(map(str, TRAININGS))} |\n|---|{'---|' * len(TRAININGS)}"
    count = next(iter(fitted.values()))
    regression = [
        "",
        "Spearman with the accuracy of all networks that were not trained, of a regression on few "
        "trained ones (ridge on the ranks of all measures above), of the single measure that was "
        "best on those few, and of scores that need none (means over random choices):",
        "",
        f"| | {' | '.join(f'{n} trained' for n in count)} |",
        f"|---|{'---|' * len(count)}",
        *(f"| {k} | {' | '.join(f'{v:.2f}' for v in row.values())} |" for k, row in fitted.items()),
    ]
    return "\n".join([text, "", head, *rows, *regression])


if __name__ == "__main__":
    main()
