"""Judges the proxies on published networks: rank correlation with their ImageNet accuracy.

    python scripts/judge_published.py

Two sets: the reference networks of less than 900 million multiply-adds, one of each layout, at the
size they are for; and MobileNets of several widths at several sizes, which tell whether a score
weighs resolution against width rightly. Accuracies come from different trainings, so no score could
reach 1 on the first set.
"""

from __future__ import annotations

import argparse

import numpy as np
from rank_statistics import bootstrapped, kendall, partial_spearman, spearman

from nas import Architecture, cost, reference
from nas.proxies import DEFAULT, PROXIES, Combiner, scores
from nas.references import published, reference_names

MOST = 900e6
VARIANTS = ("_caffe", "_imgclsmob", "_nobias", "_megvii", "_v5", "_torchvision")
# Top-1 in percent by size, from TensorFlow's models repository, research/slim/nets: mobilenet_v1.md
# and mobilenet/README.md.
SIZES: dict[str, dict[int, float]] = {
    "mobilenet_v1_100": {224: 70.9, 192: 70.0, 160: 68.0, 128: 65.2},
    "mobilenet_v1_075": {224: 68.4, 192: 67.2, 160: 65.3, 128: 62.1},
    "mobilenet_v1_050": {224: 63.3, 192: 61.7, 160: 59.1, 128: 56.3},
    "mobilenet_v1_025": {224: 49.8, 192: 47.7, 160: 45.5, 128: 41.5},
    "mobilenet_v2_140": {224: 75.0},
    "mobilenet_v2_100": {224: 71.8, 192: 70.7, 160: 68.8, 128: 65.3, 96: 60.3},
    "mobilenet_v2_075": {224: 69.8, 192: 68.7, 160: 66.4, 128: 63.2, 96: 58.8},
}

Published = list[tuple[Architecture, float]]


def references() -> Published:
    """The reference networks whose accuracy was published, one of each layout."""
    found = []
    for name in reference_names():
        top1, arch = published(name).top1, reference(name)
        if top1 and not name.endswith(VARIANTS) and cost(arch).macs < MOST:
            found.append((arch, top1))
    return found


def sizes() -> Published:
    """The MobileNets of `SIZES`."""
    return [
        (reference(name, resolution=size), top1)
        for name, accuracies in SIZES.items()
        for size, top1 in accuracies.items()
    ]


def judge(title: str, networks: Published, names: tuple[str, ...]) -> None:
    """Prints one line a score."""
    every = tuple(dict.fromkeys((*names, *DEFAULT)))
    found = [scores(arch, every) for arch, _ in networks]
    accuracy = np.array([top1 for _, top1 in networks])
    macs = np.array([cost(arch).macs for arch, _ in networks], float)
    combiner = Combiner.default().fit(found)
    columns = {name: np.array([s[name] for s in found]) for name in names}
    columns["default"] = np.array([combiner.score(s) for s in found])
    print(f"{title}, {len(networks)} networks: Spearman, Kendall, Spearman given multiply-adds")
    for name, values in {"macs": macs, **columns}.items():
        if not np.isfinite(values).all():
            print(f"{name:18} undefined for {int((~np.isfinite(values)).sum())}")
            continue
        rho, low, high = bootstrapped(spearman, values, accuracy)
        line = f"{name:18} {rho:6.3f} [{low:6.3f}, {high:6.3f}]  {kendall(values, accuracy):6.3f}"
        if name != "macs":
            rho, low, high = bootstrapped(partial_spearman, values, accuracy, macs)
            line += f"  {rho:6.3f} [{low:6.3f}, {high:6.3f}]"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proxies", default=",".join((*DEFAULT, "params")))
    names = tuple(parser.parse_args().proxies.split(","))
    names = tuple(PROXIES) if names == ("all",) else names
    judge("references", references(), names)
    judge("MobileNets of several sizes", sizes(), names)


if __name__ == "__main__":
    main()
