"""Trains the networks of a plan on Fashion-MNIST: `scripts/results/ground_truth.csv`.

    python scripts/ground_truth.py --workers 2              # makes the table, or goes on with it
    python scripts/ground_truth.py --longer 4 --networks 20 # the check: four times the training
    python scripts/ground_truth.py --plan long              # the longer truth: ..._long.csv
    python scripts/ground_truth.py --plan long --longer 2 --networks 9

Every finished run is on disk before the next begins; Ctrl-C or kill at any moment is safe.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import ground_truth_long_plan
import ground_truth_plan
import numpy as np
from ground_truth_plan import Planned, depth
from ground_truth_table import TABLE, Run, load, save

from nas import cost
from nas.data import DataSet
from nas.training import Recipe

DATA = "fashion-mnist"
VALIDATION = 250
# One pass over half the training set, so that no image is seen twice and a fast learner is not
# rewarded for learning by heart: as many steps as three epochs of a sixth of it, with less noise.
# Augmentation would only make images harder that are new anyway.
RECIPE = Recipe(
    epochs=1,
    images=30_000,
    batch_size=64,
    lr=0.2,
    weight_decay=5e-4,
    ema=0.02,
    crop=0.0,
    flip=False,
)
LONG = Recipe(epochs=8, images=10_000)  # the usual recipe, until more hardly changes the order


class Plan(NamedTuple):
    """What is trained, in that order: `runs` gives networks with their seeds."""

    runs: Callable[[], list[tuple[Planned, int]]]
    recipe: Recipe
    table: Path


PLANS = {
    "short": Plan(ground_truth_plan.runs, RECIPE, TABLE),
    "long": Plan(ground_truth_long_plan.runs, LONG, TABLE.with_stem("ground_truth_long")),
}
MALLOC = {  # large blocks stay with the process: getting them anew each step costs a tenth or more
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "MALLOC_TOP_PAD_": "67108864",
}
_LOADED: dict[str, DataSet] = {}  # once a process


def main() -> None:
    """Runs what the table does not have yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", choices=PLANS, default="short")
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--networks", type=int, default=10**6, help="the first N of the plan only")
    parser.add_argument("--runs", type=int, default=10**6, help="stop after N more runs")
    parser.add_argument("--longer", type=int, default=1, help="times the training, seed 0 only")
    parser.add_argument(
        "--output", type=Path, help="the table; the plan's, with --longer ..._xN.csv"
    )
    asked = parser.parse_args()
    suffix = f"_x{asked.longer}" if asked.longer > 1 else ""
    plan = PLANS[asked.plan]
    path = asked.output or plan.table.with_stem(plan.table.stem + suffix)
    recipe = plan.recipe.changed(epochs=plan.recipe.epochs * asked.longer)
    table = load(path)
    done = {(run.hash, run.seed) for run in table}
    planned = [
        (network, seed)
        for network, seed in plan.runs()
        if network.number < asked.networks and (asked.longer == 1 or seed == 0)
    ]
    left = [(n, seed) for n, seed in planned if (n.arch.hash, seed) not in done][: asked.runs]
    print(f"{path}: {len(table)} runs of {len(planned)} are there, {len(left)} to do", flush=True)
    os.environ.update(MALLOC, OMP_NUM_THREADS="1")
    context = multiprocessing.get_context("spawn")  # a new process reads the variables
    with ProcessPoolExecutor(asked.workers, context) as pool:
        drive(pool, asked.workers, left, recipe, table, path)


def drive(
    pool: ProcessPoolExecutor,
    workers: int,
    left: list[tuple[Planned, int]],
    recipe: Recipe,
    table: list[Run],
    path: Path,
) -> None:
    """Runs what is left, in the workers of the pool; every finished run is saved at once."""
    waiting: set[Future[Run]] = set()
    queue, began, finished = iter(left), time.monotonic(), 0
    try:
        while True:
            for _, (network, seed) in zip(range(workers - len(waiting)), queue, strict=False):
                waiting.add(pool.submit(trained, network, recipe.changed(seed=seed)))
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for run in (future.result() for future in done):
                table.append(run)
                save(table, path)
                finished += 1
                hours = (time.monotonic() - began) / finished * (len(left) - finished) / 3600
                print(
                    f"{finished}/{len(left)} | network {run.number}, seed {run.seed}: {run.group}, "
                    f"{run.macs / 1e6:.1f} MMACs, {run.resolution} px, {run.accuracy:.2%} "
                    f"in {run.seconds:.0f} s | {hours:.1f} h left",
                    flush=True,
                )
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        sys.exit(f"interrupted: {path} has {len(table)} runs; the same command goes on")


def trained(network: Planned, recipe: Recipe) -> Run:
    """One run, in a worker: the network after its training, on the test images."""
    import torch

    from nas.data import load_data
    from nas.training import train

    torch.set_num_threads(1)
    if DATA not in _LOADED:
        data = load_data(DATA)  # nothing is chosen by validation here: a few images of it will do
        _LOADED[DATA] = replace(data, validation=data.validation.take(np.arange(VALIDATION)))
    began = time.monotonic()
    result = train(network.arch, _LOADED[DATA], recipe, device="cpu")
    assert result.test is not None
    found = cost(network.arch)
    return Run(
        number=network.number,
        seed=recipe.seed,
        group=network.group,
        accuracy=result.test.accuracy,
        loss=round(result.test.loss, 6),
        macs=found.macs,
        params=found.params,
        peak_bytes=found.peak_bytes,
        depth=depth(network.arch),
        resolution=int(network.arch.resolution),
        seconds=round(time.monotonic() - began, 1),
        hash=network.arch.hash,
        machine=f"{_processor()}, 1 thread, torch {torch.__version__}",
        recipe=recipe.model_dump_json(),
        architecture=network.arch.to_json(),
    )


def _processor() -> str:
    """The processor's name, as Linux gives it, or the kind of machine."""
    try:
        lines: Iterable[str] = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = ()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


if __name__ == "__main__":
    main()
