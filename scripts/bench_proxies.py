"""Networks scored per CPU second, on one core, by each proxy and by the default combination.

    OMP_NUM_THREADS=1 python scripts/bench_proxies.py --side 48 64 96 --images 8 16

Networks: random ones of the space `mobile` at 224 px within 15% of the budget in multiply-adds.
Times are CPU times of this process; the module's construction is part of each, after that of a
hundred others, as in a search. `--side` and `--images` compare the rank of the default's scores
with that at the shipped setting.
"""

from __future__ import annotations

import argparse
import gc
import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

import nas
from nas.architecture import Architecture
from nas.proxies import DEFAULT, PROXIES, evaluate, probe
from nas.torch_module import Network

RESOLUTION = 224
WARM = 100  # networks built before


def networks(budget: float, count: int) -> list[Architecture]:
    """Random networks near a budget in millions of multiply-adds."""
    space, seed = nas.SearchSpace.load("mobile"), 0
    found: list[Architecture] = []
    while len(found) < count:
        arch = replace(space.sample(seed), resolution=RESOLUTION)
        seed += 1
        if abs(nas.cost(arch).macs / 1e6 / budget - 1) < 0.15:
            found.append(arch)
    return found


def timed(archs: list[Architecture], names: tuple[str, ...]) -> tuple[float, np.ndarray]:
    """CPU seconds a network, and the scores."""
    start = time.process_time()
    scores = [list(evaluate(arch, names).values()) for arch in archs]
    return (time.process_time() - start) / len(archs), np.array(scores)


def fixed(side: int, resolution: object) -> int:
    """A side for images of every resolution."""
    return side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=300)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--side", type=int, nargs="*", default=[])
    parser.add_argument("--images", type=int, nargs="*", default=[])
    parser.add_argument("--each", action="store_true", help="every proxy by itself")
    args = parser.parse_args()
    torch.set_num_threads(1)
    every = networks(args.budget, args.networks + WARM)
    archs = every[WARM:]
    for arch in every[:WARM]:
        Network(replace(arch, resolution=probe.shown_size(RESOLUTION)))
    evaluate(every[0], DEFAULT)  # warm
    seconds, scores = timed(archs, DEFAULT)
    print(f"default: {1 / seconds:.1f} networks per CPU second")
    gc.disable()  # as `evaluate` does
    start = time.process_time()
    for arch in archs:
        Network(replace(arch, resolution=probe.shown_size(RESOLUTION)))
    built = (time.process_time() - start) / len(archs)
    gc.enable()
    print(f"construction of the module: {1000 * built:.1f} ms, {built / seconds:.1%} of it")
    for name in sorted(PROXIES) if args.each else ():
        print(f"{name:16} {1 / timed(archs, (name,))[0]:8.1f}", flush=True)
    shipped = probe.shown_size, probe.IMAGES
    for side in args.side or [probe.shown_size(RESOLUTION)]:
        for images in args.images or [probe.IMAGES]:
            monkey: Any = probe  # its constants stand in for what is not an option
            monkey.shown_size, monkey.IMAGES = partial(fixed, side), images
            seconds, other = timed(archs, DEFAULT)
            ranks = [spearmanr(a, b).statistic for a, b in zip(scores.T, other.T, strict=True)]
            text = "  ".join(f"{n} {r:.3f}" for n, r in zip(DEFAULT, ranks, strict=True))
            print(f"{side} px, {images} images: {1 / seconds:.1f}/s  rank with shipped: {text}")
            monkey.shown_size, monkey.IMAGES = shipped


if __name__ == "__main__":
    main()
