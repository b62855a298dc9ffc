"""Fits the prior of devices to published latencies and writes it beside the shipped targets.

    python scripts/fit_latency_prior.py DATA_FOLDER [FILE] [--without PREFIX]

DATA_FOLDER has ncnn_dev.csv, jetson_published.csv, fbnet_cifar_latency_dev.csv and
accel_nasbench_dev.csv; `scripts/latency_data.py` says what is in them. Nothing of them is kept but
the mean and the covariance of log prices over devices, and the directions in which corrections
differ between devices. Expectation and maximisation: every device is fitted with the prior, and the
prior is made of the devices' posteriors. --without leaves out the devices whose name begins with
PREFIX, to judge the prior on them.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from latency_data import Known, read_devices

from nas.latency.model.basis import CONSTANT, GROUPS, KINDS, Vector
from nas.latency.model.design import Design
from nas.latency.model.posterior import Posterior, fit
from nas.latency.model.prior import FILE, Prior
from nas.support.files import write_whole

SOME = 80  # networks of a device with hundreds
ROUNDS = (
    4,
    3,
    3,
    2,
)  # of expectation and maximisation, with new directions before all but the first
DIRECTIONS = 8
SPREAD = 0.7  # standard deviation of a direction's strength before the first round
OWN = 6.0  # devices that the prior's start is worth
TYPICAL, QUIET = 0.05, 0.02  # standard deviation of corrections and of noise

# The start: a price a million elements or multiply-adds, and a launch, of some device in ms.
SHARED = {CONSTANT: 0.1, "launch": 5e-3, "eager_launch": 3e-3, "traffic": 0.1}
SHARED |= {"eager_traffic": 0.05, "macs": 0.02, "weights": 0.3}
ENDINGS = {"launch": 3e-3, "traffic": 0.05, "read": 0.1, "written": 0.1, "weights": 0.2}
ENDINGS |= {"macs": 0.02, "root": 0.01, "work": 0.02}
DEARER = {"depthwise3_macs": 4.0, "depthwisek_macs": 4.0, "linear_macs": 5.0, "grouped_macs": 2.0}
DEARER |= {f"array{lanes}_macs": 0.2 for lanes in (16, 64, 128)} | {"strided_macs": 0.3}


class Fitted(NamedTuple):
    """A device: how much it counts, its networks and latencies."""

    weight: float
    design: Design
    latency_ms: Vector


def start() -> Prior:
    """The prior before anything is known of devices."""
    ending = [next((k for k in ENDINGS if kind.endswith(k)), "") for kind in KINDS]
    prices = [
        SHARED.get(kind) or ENDINGS[end] * DEARER.get(kind, 1.0)
        for kind, end in zip(KINDS, ending, strict=True)
    ]
    covariance = np.diag(np.full(len(KINDS), 1.5**2))
    for ends, spread in (
        (("launch", CONSTANT), 1.5),
        (("traffic", "read", "written", "weights"), 1.0),
        (("macs", "root"), 0.7),
    ):
        alike = np.array([kind.endswith(ends) for kind in KINDS], float)
        covariance += spread**2 * np.outer(alike, alike)
    scales = np.log([*[TYPICAL] * len(GROUPS), QUIET])
    return Prior(centred(np.log(prices)), covariance, {}, scales)


def centred(mean: Vector) -> Vector:
    """The level of a device is its own: the mean log price is 0."""
    found = mean.copy()
    found[: len(KINDS)] -= found[: len(KINDS)].mean()
    return found


def devices(known: dict[str, Known]) -> list[Fitted]:
    """What is fitted. The settings of one device count as one device."""
    board = {name: name.split("|")[0] for name in known}
    settings = Counter(board.values())
    designs: dict[tuple[str, ...], Design] = {}
    found = []
    for name, device in known.items():
        which = np.arange(len(device.latency_ms))
        if len(which) > SOME:
            which = np.random.default_rng(0).permutation(which)[:SOME]
        key = (device.source, *(device.names[i] for i in which))
        if key not in designs:
            designs[key] = Design.of([device.networks[i] for i in which])
        weight = 1.0 if device.source == "ncnn" else 2.0
        found.append(Fitted(weight / settings[board[name]], designs[key], device.latency_ms[which]))
    return found


def posteriors(known: list[Fitted], prior: Prior) -> list[Posterior]:
    """The posterior of each device."""
    return [fit(device.design, device.latency_ms, prior) for device in known]


def improved(known: list[Fitted], found: list[Posterior], prior: Prior, first: Prior) -> Prior:
    """The mean and covariance of the devices' posteriors, the level left out."""
    size, kinds = len(prior.mean), len(KINDS)
    level = np.eye(size)
    level[:kinds, :kinds] -= 1 / kinds
    total = sum(device.weight for device in known)
    mean, square = np.zeros(size), OWN * first.covariance
    for device, one in zip(known, found, strict=True):
        apart = level @ (np.concatenate([one.log_prices, one.strengths]) - prior.mean)
        kept = one.reduction[:, :size]
        left = prior.covariance - kept.T @ kept
        mean += device.weight * apart
        square += device.weight * (np.outer(apart, apart) + level @ left @ level)
    mean /= total + 2
    covariance = (square - total * np.outer(mean, mean)) / (total + OWN)
    return prior._replace(mean=centred(prior.mean + mean), covariance=covariance)


def with_directions(known: list[Fitted], found: list[Posterior], prior: Prior) -> Prior:
    """The prior with the strongest directions in which the devices' corrections differ."""
    names = sorted({name for one in found for name in one.names})
    at = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(found), len(names)))
    for row, one in zip(table, found, strict=True):
        row[[at[n] for n in one.names]] = one.own + prior.direction(one.names) @ one.strengths
    weights = np.array([device.weight for device in known])
    roots = np.sqrt(weights / weights.sum())
    _, values, rows = np.linalg.svd(table * roots[:, None], full_matrices=False)
    kept = min(DIRECTIONS, int((values > 1e-3).sum()))
    parts = (values[:kept, None] * rows[:kept]).T
    strengths = table @ rows[:kept].T / values[:kept]
    kinds = len(KINDS)
    mean = np.concatenate([prior.mean[:kinds], weights @ strengths / weights.sum()])
    covariance = np.eye(kinds + kept) * SPREAD**2
    covariance[:kinds, :kinds] = prior.covariance[:kinds, :kinds]
    return Prior(mean, covariance, dict(zip(names, parts, strict=True)), prior.log_scales)


def fitted(known: dict[str, Known]) -> Prior:
    """The prior of the devices."""
    some, prior = devices(known), start()
    found: list[Posterior] = []
    for number, rounds in enumerate(ROUNDS):
        if number:
            prior = with_directions(some, found, prior)
        first = prior
        for _ in range(rounds):
            found = posteriors(some, prior)
            evidence = sum(d.weight * one.evidence for d, one in zip(some, found, strict=True))
            print(f"{len(some)} devices, log evidence {evidence:.1f}", flush=True)
            prior = improved(some, found, prior, first)
    return prior


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("file", type=Path, nargs="?", default=Path("latency_tables") / FILE)
    parser.add_argument("--without", nargs="*", default=[])
    given = parser.parse_args()
    known = read_devices(given.data)
    kept = {k: v for k, v in known.items() if not k.startswith(tuple(given.without))}
    write_whole(given.file, fitted(kept).to_json())
    print(f"wrote {given.file}")


if __name__ == "__main__":
    main()
