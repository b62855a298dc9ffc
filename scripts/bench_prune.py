"""What pruning a trained network to a latency is worth: accuracies of children, ours and others'.

    python scripts/bench_prune.py FOLDER [--minutes 30] [--cases small-0,mobilenet_v2-0]
    python scripts/bench_prune.py FOLDER --latency | --speed | --norms | --tables

Every run is a row of scripts/results/prune.csv, most wanted first; one that is there is skipped, so
what was stopped goes on. Parents and searches are kept in FOLDER. `--latency` times the networks
of the rows through onnxruntime, `--speed` counts child evaluations a CPU second, `--norms`
compares images that norms' statistics are estimated on, and `--tables` prints what docs/pruning.md
says. It needs the PyPI package torch-pruning.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import mean
from time import monotonic, process_time
from typing import NamedTuple

import numpy as np
import torch
from prune_cases import PARENT, TUNING, Case, bench, device, tested
from prune_peer import measured, peer_child
from scipy.stats import spearmanr

from nas import Architecture, cost
from nas.budget import parse_budgets
from nas.data import load_data
from nas.data.fit import fit_architecture
from nas.pruning.criteria import CRITERIA
from nas.pruning.evaluate import estimate
from nas.pruning.space import PruningSpace
from nas.references import reference
from nas.study.candidates import Candidate
from nas.study.pruning import PruningCandidates
from nas.torch_module import Network
from nas.training import Recipe, train
from nas.training.batches import Pixels
from nas.training.checkpoint import WEIGHTS

RESULTS = Path(__file__).parent / "results"
ROWS, LATENCIES = RESULTS / "prune.csv", RESULTS / "prune_latency.csv"
FIELDS = (
    "network", "seed", "budget", "method", "criterion", "latency_ms", "share", "mmacs", "inherited",
    "tuned", "seconds",
)  # fmt: skip
CASES = (
    "mobilenet_v2-0", "small-0", "mobilenet_v2-1", "small-1", "mobilenet_v2-2", "small-2",
)  # fmt: skip
SLOW = ("sss", "oracle")  # criteria that take minutes
BEST = "taylor_2019"  # what inherited most of the first parent that was tried


class Child(NamedTuple):
    """A network, and the weights it begins with, if it has any."""

    arch: Architecture
    module: Network | None


class Run(NamedTuple):
    """A row that is wanted: `tune` is "tuning" from the child's weights, "alone" for a training
    from scratch, or nothing."""

    method: str
    budget: float
    criterion: str
    make: Callable[[], Child | None]
    tune: str = ""


def runs(case: Case) -> Iterator[Run]:
    """The runs of a case, most wanted first."""

    def child(found: Candidate | None, criterion: str = "l1", refit: bool = False) -> Child | None:
        if found is None:
            return None
        return Child(found.arch, case.bench(criterion, refit).child(found.arch))

    def uniform(share: float, criterion: str, refit: bool = False) -> Child | None:
        return child(case.uniform(share), criterion, refit)

    def everywhere(share: float, criterion: str) -> Child | None:
        return child(case.important(share, criterion), criterion)

    def search(share: float, by: str = "latency", refit: bool = False) -> Child | None:
        """The finalist that is best on validation images once it is fine-tuned, before that."""

        def accuracy(found: Candidate) -> float:
            module = case.bench(BEST, refit).child(found.arch)
            return case.tuned(found.arch, module, f"search {by} {refit}").accuracy

        found = case.searched(share, by, BEST, refit)
        return child(max(found, key=accuracy, default=None), BEST, refit)

    def depth(share: float) -> Child | None:
        return child(case.shallow(share, BEST), BEST)

    def even_depth(share: float) -> Child | None:
        return child(case.even(share), BEST)

    def resolution(share: float) -> Child | None:
        return child(case.coarse(share), BEST)

    def peer(share: float) -> Child | None:
        found = peer_child(case, share)
        return found and Child(*found)

    def same(share: float, criterion: str) -> Child | None:
        """The structure that `search` finds by the best criterion, with channels by another."""
        found = search(share)
        return found and Child(found.arch, case.bench(criterion).child(found.arch))

    parent = case.parent
    yield Run("parent", 1, "", lambda: Child(parent.arch, parent.module))
    for share in (0.5, 0.35, 0.25):
        yield Run("search", share, BEST, partial(search, share), "tuning")
        yield Run("uniform", share, BEST, partial(uniform, share, BEST), "tuning")
        yield Run("depth", share, BEST, partial(depth, share), "tuning")
        yield Run("even depth", share, BEST, partial(even_depth, share), "tuning")
        yield Run("resolution", share, BEST, partial(resolution, share), "tuning")
    yield Run("search MACs", 0.5, BEST, partial(search, 0.5, "macs"), "tuning")
    for name in (BEST, "l1"):
        yield Run("uniform refit", 0.5, name, partial(uniform, 0.5, name, True), "tuning")
    yield Run("torch-pruning", 0.5, "l1", partial(peer, 0.5), "tuning")
    for name in CRITERIA:
        if name not in SLOW:
            yield Run("uniform", 0.5, name, partial(uniform, 0.5, name), "tuning")
    for share in (0.5, 0.25):
        yield Run("search refit", share, BEST, partial(search, share, refit=True), "tuning")
    yield Run("scratch", 0.5, "", lambda: _fresh(search(0.5)), "alone")
    yield Run("other", 0.5, "", lambda: Child(case.other(0.5), None), "alone")
    for name in CRITERIA:
        if name not in SLOW:
            yield Run("same", 0.25, name, partial(same, 0.25, name), "tuning")
    for name in ("magnitude", BEST):
        yield Run("global", 0.5, name, partial(everywhere, 0.5, name), "tuning")
    yield Run("sensitivity", 0.5, "l1", lambda: child(case.sensitive(0.5)), "tuning")
    for name in SLOW:
        yield Run("uniform", 0.5, name, partial(uniform, 0.5, name), "tuning")


def _fresh(child: Child | None) -> Child | None:
    return child and Child(child.arch, None)


def done(case: Case, run: Run, folder: Path) -> dict[str, object]:
    """The row of a run; without numbers where no such child meets the budget."""
    row: dict[str, object] = dict.fromkeys(FIELDS, "")
    began = process_time()
    row |= {"network": case.network, "seed": case.seed, "budget": run.budget}
    row |= {"method": run.method, "criterion": run.criterion}
    child = run.make()
    if child is None:
        return row
    arch, module = child
    ms = device().predict(arch).ms
    row |= {"latency_ms": f"{ms:.4f}", "share": f"{ms / case.whole:.3f}"}
    row |= {"mmacs": f"{cost(arch).macs / 1e6:.3f}"}
    if module is not None:
        row["inherited"] = f"{case.accuracy(arch, module):.2f}"
    if run.tune == "tuning":
        assert module is not None
        tuned = case.tuned(arch, module, f"{run.method} {run.criterion}")
        row["tuned"] = f"{tested(tuned):.2f}"
    elif run.tune == "alone":
        row["tuned"] = f"{case.alone(arch, spent(case, arch)):.2f}"
    row["seconds"] = f"{process_time() - began:.1f}"
    kept = folder / "networks" / f"{case.network}-{case.seed}-{run.method}-{run.budget}.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(arch.to_json())
    return row


def spent(case: Case, child: Architecture) -> float:
    """The multiply-adds, in forward passes' count, of the parent's training and of a child's
    fine-tuning, in which a forward pass of the parent counts as a third of a step."""
    images = len(case.data.train.labels)
    parent, own = cost(case.parent.arch).macs, cost(child).macs
    return images * (PARENT.epochs * parent + TUNING.epochs * (own + parent / 3))


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def add(path: Path, row: Mapping[str, object]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def run_all(folder: Path, cases: list[str], minutes: float) -> None:
    """Adds the rows that lack, one of each case in turn, until the time is over."""
    end = monotonic() + 60 * minutes
    there = {key(row) for row in read(ROWS)}
    names = [name.rsplit("-", 1) for name in cases]
    all_cases = [Case(network, int(seed), folder) for network, seed in names]
    for same in zip(*map(runs, all_cases), strict=True):
        for case, run in zip(all_cases, same, strict=True):
            wanted = {"network": case.network, "seed": str(case.seed), "budget": str(run.budget)}
            wanted |= {"method": run.method, "criterion": run.criterion}
            if key(wanted) in there:
                continue
            if monotonic() > end:
                return
            row = done(case, run, folder)
            add(ROWS, row)
            print(*row.values(), flush=True)


def key(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in FIELDS[:5])


def latencies(folder: Path) -> None:
    """Writes predicted and measured latencies of children, as shares of their parent's, timed on
    one core; the interval holds the middle 80% of the rounds. "again" is the parent itself."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for parent in sorted((folder / "networks").glob("*-parent-1.json")):
        stem = parent.name.removesuffix("-parent-1.json")
        paths = [parent] + [
            p
            for p in sorted(parent.parent.glob(f"{stem}-*.json"))
            if p != parent and "tuned" not in p.name and "refit" not in p.name
        ]
        archs = [Architecture.from_json(path.read_text()) for path in paths]
        whole = device().predict(archs[0]).ms
        names = [path.stem.removeprefix(f"{stem}-") for path in paths[1:]] + ["again"]
        for name, arch, found in zip(
            names, [*archs[1:], archs[0]], measured(archs)[1:], strict=True
        ):
            low, middle, high = np.quantile(found, (0.1, 0.5, 0.9))
            predicted = device().predict(arch).ms / whole
            row = {"network": stem, "child": name, "predicted": f"{predicted:.3f}"}
            row |= {"measured": f"{middle:.3f}", "low": f"{low:.3f}", "high": f"{high:.3f}"}
            add(LATENCIES, row)
            print(*row.values(), flush=True)


def speed(folder: Path, children: int = 60) -> None:
    """Prints evaluations of random children a CPU second, on 512 validation images at 32 px, of a
    MobileNetV2 whose weights are hardly trained: all images looked at, or none but the first; and
    how many there would be if the processor did nothing but the multiply-adds, at the rate of a
    large matrix product."""
    data, few = load_data("fashion-mnist"), Recipe(epochs=1, images=64)
    arch = fit_architecture(reference("mobilenet_v2_100", 10, 32), data)
    if not (folder / "speed" / WEIGHTS).exists():
        train(arch, data, few, output=folder / "speed")
    space = PruningSpace.of(arch.renamed(""), "children")
    candidates = PruningCandidates(space, device(), parse_budgets([f"{cost(arch).macs // 2}FLOPs"]))
    judge = bench(space.parent, folder / "speed" / WEIGHTS, data)
    rng = np.random.default_rng(0)
    archs = [c.arch for _ in range(children) if (c := candidates.feasible({}, rng))]
    judge.accuracies(archs[:10])
    macs = mean(cost(child).macs for child in archs[10:])
    share = f"{cost(arch).macs / 1e6:.1f} MMACs, children {macs / 1e6:.1f}"
    for enough in (0.0, 2.0):
        began, images = process_time(), 0.0
        for child in archs[10:]:
            images += judge.evaluated(child, enough)["images"]
        rate = len(archs[10:]) / (process_time() - began)
        print(f"{rate:.1f} a CPU second, {images / len(archs[10:]):.0f} images each ({share})")
    a, product = np.ones((1024, 1024), np.float32), []
    for _ in range(5):
        began = process_time()
        a @ a
        product.append(2 * 1024**3 / (process_time() - began))
    bound = max(product) / (2 * macs * judge.inheritance.images)
    print(f"multiply-adds alone: {bound:.0f} a CPU second at {max(product) / 1e9:.0f} GFLOP/s")


def norms(case: Case, children: int = 50) -> None:
    """Prints how the accuracies of random children change where norms' statistics are estimated not
    on held-out images but on training images, and on other training images."""
    judge, rng, archs = case.bench(BEST), np.random.default_rng(1), list[Architecture]()
    space = case.candidates(1).pruning
    for share in (0.5, 0.65, 0.8, 0.9):
        budget = f"{int(share * cost(space.parent).macs)}FLOPs"
        candidates = PruningCandidates(space, device(), parse_budgets([budget]))
        found = (candidates.feasible({}, rng) for _ in range(children))
        archs += [child.arch for child in found if child]
    held_out = np.array(judge.accuracies(archs))
    one, other = ([_known_norms(case, arch, first) for arch in archs] for first in (0, 128))
    for what, got in (("held-out", held_out), ("other training images", np.array(other))):
        off, rank = 100 * (got - one), spearmanr(got, one).statistic
        print(
            f"{what} less training images: {off.mean():.1f} points, sd {off.std():.1f}, {rank:.3f}"
        )


def _known_norms(case: Case, arch: Architecture, first: int) -> float:
    """A child's accuracy on the held-out images with the statistics of 128 training images."""
    judge = case.bench(BEST)
    some = case.data.train.take(np.arange(first, first + 128))
    module, (images, labels) = judge._inheriting(arch), judge._held_out(arch.resolution)
    estimate(module, judge.normalise(Pixels(some, arch.resolution, torch.device("cpu"))[:]))
    with torch.inference_mode():
        return float((module(images).argmax(1) == labels).double().mean())


def tables() -> None:
    """Prints means over seeds, as Markdown."""
    rows = read(ROWS)
    for network in dict.fromkeys(row["network"] for row in rows):
        own = [row for row in rows if row["network"] == network]
        print(f"\n{network}\n\n| budget | method | criterion | share | inherited | tuned | seeds |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for group in dict.fromkeys((r["budget"], r["method"], r["criterion"]) for r in own):
            some = [r for r in own if (r["budget"], r["method"], r["criterion"]) == group]
            cells = [_mean([r[name] for r in some]) for name in ("share", "inherited", "tuned")]
            print("|", " | ".join([*group, *cells, str(len(some))]), "|")


def _mean(texts: list[str]) -> str:
    values = [float(text) for text in texts if text]
    if not values:
        return "–"
    digits = 2 if max(values) <= 1 else 1
    spread = f" ({min(values):.{digits}f}–{max(values):.{digits}f})" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--cases", default=",".join(CASES))
    for name in ("latency", "speed", "norms", "tables"):
        parser.add_argument(f"--{name}", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.latency:
        latencies(args.folder)
    elif args.speed:
        speed(args.folder)
    elif args.norms:
        norms(Case("mobilenet_v2", 0, args.folder))
    elif args.tables:
        tables()
    else:
        run_all(args.folder, args.cases.split(","), args.minutes)


if __name__ == "__main__":
    main()
