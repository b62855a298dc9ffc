"""`nas auto` against the best published network scaled by hand, in the same time.

    python scripts/bench_auto.py FOLDER [--time 40m] [--budget 0.07ms] [--seeds 0,1,2]

Each seed has three rows in scripts/results/auto.csv: the winner of `nas auto` on Fashion-MNIST; the
hand-scaled network that predicts the highest accuracy within the same budget, trained for all of
the time; and MobileNetV3-small at the images' size, trained as `nas train` does by default.
Accuracy is that of the test images, latency is measured on this machine, the three networks in
turns. What is in FOLDER is not done again, so what was stopped goes on. `--tables` prints what
docs/auto.md says.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from math import nan
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from nas import Architecture, Target, cost, reference
from nas.auto.asked import Asked
from nas.auto.plan import Counts
from nas.auto.result import Result
from nas.auto.run import Displays, auto, default_space
from nas.cli.options import read_minutes
from nas.data import DataSet, load_data
from nas.data.fit import fit_architecture
from nas.latency.measuring.verify import verify
from nas.study import Study
from nas.support.files import write_whole
from nas.training import Recipe, Trained, train

OUTPUT = Path(__file__).parent / "results" / "auto.csv"
COLUMNS = ("seed", "what", "network", "mmacs", "predicted_ms", "measured_ms", "minutes", "accuracy")
MINUTES = 2.0  # of timing the networks


class Trial(NamedTuple):
    """A network after its training."""

    what: str
    name: str
    trained: Trained
    minutes: float


def found(data: DataSet, given: argparse.Namespace, seed: int) -> Result:
    """What `nas auto` finds."""

    @contextmanager
    def silent(_: object) -> Iterator[object]:
        yield lambda *progress: None

    facts = {
        "data": data.source, "options": data.options, "checksum": data.checksum,
        "target": given.target, "budgets": [given.budget], "space": default_space(data),
        "minutes": read_minutes(given.time), "seed": seed, "parent": None,
    }  # fmt: skip
    displays = Displays(print, silent, lambda *progress: None, silent, silent)  # type: ignore[arg-type]
    return auto(Asked.model_validate(facts), data, given.folder / f"auto-{seed}", displays)


def by_hand(study: Study) -> tuple[Architecture, str] | None:
    """The hand-scaled network of the highest prediction, and the family it is of."""
    scaled = (record for record in study.records() if record.like)
    best = max(scaled, key=lambda record: record.score, default=None)
    return (study.network(best), best.like or "") if best else None


def trials(data: DataSet, given: argparse.Namespace, seed: int) -> Iterator[Trial]:
    """What is compared for a seed."""
    result, minutes = found(data, given, seed), read_minutes(given.time)
    yield Trial("nas auto", result.winner.by_hand or "found", result.trained, result.seconds / 60)
    suited = Counts.of(data, [data.resolution]).suited(Recipe()).changed(seed=seed)
    if scaled := by_hand(result.study):
        folder = given.folder / f"hand-{seed}"
        yield _trial("scaled by hand", *scaled[::-1], data, suited, folder, minutes)
    name = "mobilenet_v3_small_100"
    small = fit_architecture(reference(name, resolution=data.resolution), data)
    yield _trial("nas train", name, small, data, suited, given.folder / f"small-{seed}", None)


def _trial(
    what: str, name: str, arch: Architecture, data: DataSet, recipe: Recipe, folder: Path,
    minutes: float | None,
) -> Trial:  # fmt: skip
    done = train(arch, data, recipe if minutes is None else recipe.timed(minutes), output=folder)
    return Trial(what, name, done, sum(epoch.seconds for epoch in done.history) / 60)


def rows(seed: int, compared: list[Trial], target: Target) -> Iterator[tuple[object, ...]]:
    """The rows of a seed, once all its networks are trained."""
    times, *_ = verify([trial.trained.arch for trial in compared], target, minutes=MINUTES)
    for trial, measured in zip(compared, times, strict=True):
        assert measured is not None
        assert trial.trained.test is not None
        yield (
            seed, trial.what, trial.name, f"{cost(trial.trained.arch).macs / 1e6:.3f}",
            f"{measured.predicted.ms:.4f}", f"{measured.measured_ms:.4f}",
            f"{trial.minutes:.1f}", f"{100 * trial.trained.test.accuracy:.2f}",
        )  # fmt: skip


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def tables(known: list[dict[str, str]]) -> str:
    """Means over seeds, in Markdown."""
    lines = [
        "| network | seeds | accuracy | measured ms | MMACs | minutes |",
        "|---|---|---|---|---|---|",
    ]
    for what in dict.fromkeys(row["what"] for row in known):
        mine = [row for row in known if row["what"] == what]
        accuracy, ms, mmacs, minutes = (
            mean([float(row[name]) for row in mine if row[name]] or [nan])
            for name in ("accuracy", "measured_ms", "mmacs", "minutes")
        )
        cells = (f"{what}: {mine[0]['network']}", len(mine), f"{accuracy:.2f}", f"{ms:.3f}")
        lines.append("| " + " | ".join(map(str, (*cells, f"{mmacs:.2f}", f"{minutes:.0f}"))) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--time", default="40m")
    parser.add_argument("--budget", default="0.07ms")
    parser.add_argument("--target", default="xeon/openvino")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--tables", action="store_true")
    given = parser.parse_args()
    if given.tables:
        print(tables(read(given.output)))
        return
    data, target = load_data(given.data), Target.load(given.target)
    known = read(given.output)
    for seed in map(int, given.seeds.split(",")):
        if any(int(row["seed"]) == seed for row in known):
            continue
        new = rows(seed, list(trials(data, given, seed)), target)
        known += [dict(zip(COLUMNS, map(str, row), strict=True)) for row in new]
        lines = [",".join(COLUMNS), *(",".join(row[c] for c in COLUMNS) for row in known)]
        write_whole(given.output, "\n".join(lines) + "\n")
        print(tables(known), flush=True)


if __name__ == "__main__":
    main()
