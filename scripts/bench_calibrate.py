"""How good `nas.calibrate` is with 10 and 50 networks and on families it has not seen, as Markdown.

    python scripts/bench_calibrate.py DATA_FOLDER [--prior FILE] [--only PREFIX] [--draws 12]
    python scripts/bench_calibrate.py DATA_FOLDER --wrong ...

DATA_FOLDER is as `scripts/latency_data.py` says. Every figure of FBNet's devices and of the
accelerators is over random draws: networks to calibrate with, others to judge by. Of ncnn's devices
each of nine networks is left out, of the Jetsons each family. With --prior another prior than the
shipped one is judged: one that was fitted without these devices (`fit_latency_prior.py --without`).

--wrong multiplies one or two latencies of each draw (of an ncnn or Jetson device, of all networks)
by a factor, and says how many of these `nas.calibrate` names, left out or kept, how many others,
the error of the other networks, how many are in the interval, and the error without a wrong row.

`off by 2x` are the predictions that lie outside twice their interval, in the log.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from latency_data import Known, read_devices
from scipy.stats import spearmanr

from nas.latency.calibration import SPREADS, Judgement, judged, odd_ones, without_wrong
from nas.latency.model.basis import Vector
from nas.latency.model.calibrated import Calibrated
from nas.latency.model.error import widening_of
from nas.latency.model.prior import Prior, shipped_prior

SIZES = (10, 50)
JUDGED = 200
NINE: tuple[str, ...] = (
    *("squeezenet", "mobilenet", "mobilenet_v2", "mobilenet_v3", "shufflenet", "shufflenet_v2"),
    *("mnasnet", "resnet18", "resnet50"),
)
FAMILIES = ("alexnet", "squeezenet", "resnet", "densenet", "vgg", "mobile", "shuffle", "mnas")


class Judged(NamedTuple):
    """Log (predicted / measured) of networks that were not seen, and their intervals' log."""

    logs: Vector
    intervals: Vector

    @property
    def mape(self) -> float:
        return float(np.abs(np.expm1(self.logs)).mean())

    def outside(self, times: float) -> float:
        """The share beyond so many times the interval."""
        return float((np.abs(self.logs) > times * self.intervals).mean())


def judge(
    device: Known,
    some: Sequence[int] | np.ndarray,
    others: Sequence[int] | np.ndarray,
    prior: Prior,
) -> Judged:
    """Calibrates with `some` networks, judges by `others`."""
    seen = np.array(some)
    networks, latency_ms = [device.networks[i] for i in seen], device.latency_ms[seen]
    found, _ = without_wrong(networks, latency_ms, [prior.narrowed(one) for one in SPREADS])
    return compared(found, device, others)


def compared(judgement: Judgement, device: Known, others: Sequence[int] | np.ndarray) -> Judged:
    """What it says of the others, with what is known of them."""
    posterior, chosen, left_out = judgement
    found = Calibrated(posterior, chosen, widening_of(*left_out))
    logs, intervals = [], []
    for i in others:
        kernels = device.networks[i]
        ms = found.constant_ms + sum(found.kernels_ms(kernels))
        logs.append(np.log(ms / device.latency_ms[i]))
        intervals.append(found.log_interval(found.trace(kernels)))
    return Judged(np.array(logs), np.array(intervals))


def joined(parts: Sequence[Judged]) -> Judged:
    return Judged(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def by_draws(device: Known, prior: Prior, draws: int) -> Iterator[str]:
    """Lines of the table of a device with hundreds of networks."""
    for size in SIZES:
        rng, found, ranks = np.random.default_rng(size), [], []
        for _ in range(draws):
            order = rng.permutation(len(device.networks))
            others = order[size : size + JUDGED]
            one = judge(device, order[:size], others, prior)
            truth = np.log(device.latency_ms[others])
            ranks.append(float(spearmanr(truth + one.logs, truth)[0]))
            found.append(one)
        rank = f"{np.median(ranks):.3f} ({np.quantile(ranks, 0.1):.3f})"
        mape, all_of_them = np.median([one.mape for one in found]), joined(found)
        yield (
            f"{size} | {rank} | {mape:.1%} | {1 - all_of_them.outside(1):.1%} | "
            f"{all_of_them.outside(2):.2%}"
        )


def left_out(
    device: Known, prior: Prior, group: Callable[[str], str], kept: Sequence[str]
) -> Judged:
    """Every group of networks left out and predicted, those of `kept` names alone."""
    which = [i for i, name in enumerate(device.names) if name in kept]
    groups = Counter(group(device.names[i]) for i in which)
    parts = []
    for one in groups:
        out = [i for i in which if group(device.names[i]) == one]
        seen = [i for i in which if i not in out]
        if len(seen) >= 6:
            parts.append(judge(device, seen, out, prior))
    return joined(parts)


def wrong(devices: Sequence[Known], prior: Prior, size: int, draws: int) -> Iterator[str]:
    """Lines of the table of devices of which `size` networks are given, 0: all."""
    priors = [prior.narrowed(one) for one in SPREADS]
    for factor, count in ((1.0, 0), (1.5, 1), (2.0, 1), (0.5, 1), (4.0, 1), (2.0, 2), (4.0, 2)):
        found, others, errors = [], [], []
        for device, draw in product(devices, range(draws)):
            rng = np.random.default_rng([size, draw, count, round(10 * factor)])
            order = rng.permutation(len(device.networks))
            some, rest = order[: size or len(order)], order[size : size + JUDGED]
            bad, right = set(range(count)), device.latency_ms[some]
            bent = right * [factor if i in bad else 1.0 for i in range(len(some))]
            networks = [device.networks[i] for i in some]
            judgement, off = without_wrong(networks, bent, priors)
            kept = [i for i in range(len(some)) if i not in off]
            named = {*off, *(kept[i] for i in odd_ones(judgement.left_out))}
            found += [i in named for i in bad]
            others.append(len(named - bad))
            if size:
                bent_by, clean = (
                    compared(j, device, rest) for j in (judgement, judged(networks, right, priors))
                )
                errors.append(
                    [bent_by.mape, 1 - bent_by.outside(1), bent_by.outside(2), clean.mape]
                )
        share = f"{np.mean(found):.0%}" if found else ""
        table = np.array(errors).reshape(-1, 4)
        figures = [np.median(table[:, 0]), *table[:, 1:3].mean(axis=0), np.median(table[:, 3])]
        mapes = " | ".join(f"{one:.1%}" for one in figures) if size else " | | | "
        yield f"{count} by {factor:g} | {share} | {np.mean(others):.2f} | {mapes}"


def family(name: str) -> str:
    """The family of a published network."""
    return next((f for f in FAMILIES if name.startswith(f)), name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--wrong", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="of ncnn's settings, every n-th")
    given = parser.parse_args()
    prior = shipped_prior()
    if given.prior:
        prior = Prior.from_json(given.prior.read_text(encoding="utf-8"))
    known = {k: v for k, v in read_devices(given.data).items() if k.startswith(tuple(given.only))}
    if given.wrong:
        print("| devices | networks | wrong | named | others | MAPE | in 90% | off by 2x | clean |")
        print("|---|---:|---|---:|---:|---:|---:|---:|---:|")
        for source in ("accel", "fbnet", "jetson", "ncnn"):
            devices = [v for v in known.values() if v.source == source]
            devices = devices[:: given.every] if source == "ncnn" else devices
            for size in (10, 20) if source in ("accel", "fbnet") else (0,):
                for line in wrong(devices, prior, size, given.draws) if devices else ():
                    print(f"| {len(devices)} {source} | {size or 'all'} | {line} |", flush=True)
        return
    print("| device | networks | Spearman, median (worst decile) | MAPE | in 90% | off by 2x |")
    print("|---|---:|---|---:|---:|---:|")
    for name, device in known.items():
        if device.source in ("fbnet", "accel"):
            for line in by_draws(device, prior, given.draws):
                print(f"| {name} | {line} |", flush=True)
    for name, device in known.items():
        if device.source == "jetson":
            found = left_out(device, prior, family, device.names)
            print(
                f"| {name} | a family left out | | {found.mape:.1%} | {1 - found.outside(1):.1%} | "
                f"{found.outside(2):.2%} |",
                flush=True,
            )
    settings = {k: v for k, v in known.items() if v.source == "ncnn" and k.endswith("|-1")}
    complete = [v for v in settings.values() if set(NINE) <= set(v.names)][:: given.every]
    for label, group in (("network", str), ("family", family)):
        parts = [left_out(device, prior, group, NINE) for device in complete]
        if parts:
            mapes, found = [part.mape for part in parts], joined(parts)
            print(
                f"| {len(parts)} CPUs of ncnn | one {label} of nine left out | | median "
                f"{np.median(mapes):.1%}, worst {max(mapes):.1%} | {1 - found.outside(1):.1%} | "
                f"{found.outside(2):.2%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
