"""Judges the proxies on NAS-Bench-201: rank correlation with trained accuracy.

    python scripts/judge_nasbench201.py DATA.csv --cache scores.jsonl --workers 4

DATA.csv has the columns `cell` and one or more of accuracies (`cifar10_test_accuracy_200ep`, ...).
Scores go to the cache as they are made; a second run goes on where the first one stopped. The
networks are written here as plain torch modules, as a user would write them.
"""

from __future__ import annotations

import argparse
import csv
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau, spearmanr
from torch import Tensor, nn

from nas.proxies import DEFAULT, PROXIES, Combiner, score

BOOTSTRAPS = 1000
WIDTHS, CELLS = (16, 32, 64), 5


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul(0.0)


def conv_edge(width: int, kernel: int) -> nn.Module:
    conv = nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(width))


def edge(op: str, width: int) -> nn.Module:
    match op:
        case "none":
            return Zero()
        case "skip_connect":
            return nn.Identity()
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    return conv_edge(width, int(op[-1]))


class Cell(nn.Module):
    def __init__(self, genotype: str, width: int) -> None:
        super().__init__()
        nodes = [node.strip("|").split("|") for node in genotype.split("+")]
        self.nodes = nn.ModuleList(
            nn.ModuleList(edge(text.split("~")[0], width) for text in node) for node in nodes
        )

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for edges in self.nodes:
            assert isinstance(edges, nn.ModuleList)
            values.append(sum(f(v) for f, v in zip(edges, values, strict=True)))
        return values[-1]


class Reduction(nn.Module):
    def __init__(self, c: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(), nn.Conv2d(c, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width),
            nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(c, width, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x) + self.shortcut(x)
        return y


def network(genotype: str, classes: int = 10) -> nn.Sequential:
    """The CIFAR network of NAS-Bench-201 with this cell."""
    rows: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)]
    c = 16
    for width in WIDTHS:
        if width != c:
            rows.append(Reduction(c, width))
        rows += [Cell(genotype, width) for _ in range(CELLS)]
        c = width
    rows += [nn.BatchNorm2d(c), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*rows, nn.Linear(c, classes))


def one(job: tuple[str, tuple[str, ...], int, int]) -> dict[str, Any]:
    cell, names, images, seed = job
    torch.set_num_threads(1)
    batch = torch.randn(images, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    found = score(network(cell), batch, names, seed)
    return {"cell": cell, "images": images, "seed": seed, "scores": found, "reasons": found.reasons}


def scored(cells: list[str], args: argparse.Namespace) -> list[dict[str, float]]:
    """The scores of each cell, from the cache or made now."""
    known: dict[tuple[str, int, int], dict[str, float]] = {}
    if args.cache.exists():
        for line in args.cache.read_text().splitlines():
            row = json.loads(line)
            place = known.setdefault((row["cell"], row["images"], row["seed"]), {})
            place.update(row["scores"])
    jobs = []
    for cell in cells:
        have = known.get((cell, args.images, args.seed), {})
        names = tuple(n for n in args.proxies if n not in have)
        if names:
            jobs.append((cell, names, args.images, args.seed))
    with ProcessPoolExecutor(args.workers) as pool, args.cache.open("a") as file:
        for row in pool.map(one, jobs):
            file.write(json.dumps(row) + "\n")
            file.flush()
            key = (str(row["cell"]), args.images, args.seed)
            known.setdefault(key, {}).update(row["scores"])
    return [known[cell, args.images, args.seed] for cell in cells]


def correlations(values: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Spearman's and Kendall's, and Spearman's within the best fifth by the truth."""
    best = truth >= np.quantile(truth, 0.8)
    return (
        spearmanr(values, truth).statistic,
        kendalltau(values, truth).statistic,
        spearmanr(values[best], truth[best]).statistic,
    )


def with_intervals(values: np.ndarray, truth: np.ndarray) -> str:
    if np.isnan(values).any():
        return f"undefined for {int(np.isnan(values).sum())} networks"
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(truth), size=len(truth)) for _ in range(BOOTSTRAPS)]
    spread = np.array([correlations(values[d], truth[d]) for d in draws])
    low, high = np.nanquantile(spread, [0.025, 0.975], axis=0)
    found = correlations(values, truth)
    return "  ".join(
        f"{v:6.3f} [{a:6.3f}, {b:6.3f}]" for v, a, b in zip(found, low, high, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="JSON lines, outside the repo")
    parser.add_argument("--proxies", default=",".join(PROXIES), type=lambda s: s.split(","))
    parser.add_argument("--combine", action="append", default=[], help="a,b,c; repeatable")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    with args.data.open() as file:
        rows = list(csv.DictReader(file))[: args.limit]
    scores = scored([row["cell"] for row in rows], args)
    for column in [c for c in rows[0] if "accuracy" in c]:
        truth = np.array([float(row[column]) for row in rows])
        print(f"{column}, {len(rows)} networks: Spearman, Kendall, Spearman of the best fifth")
        for name in args.proxies:
            values = np.array([s[name] for s in scores])
            print(f"{name:16}", with_intervals(values, truth), flush=True)
        for names in (DEFAULT, *(c.split(",") for c in args.combine)):
            if set(names) <= set(args.proxies):
                combiner = Combiner(names).fit(scores)
                values = np.array([combiner.score(s) for s in scores])
                print(f"{' + '.join(names)}\n{'':16}", with_intervals(values, truth), flush=True)


if __name__ == "__main__":
    main()
