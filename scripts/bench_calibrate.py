"""How good `nas.calibrate` is with 10 and 50 networks and on families it has not seen, as Markdown.

    python scripts/bench_calibrate.py DATA_FOLDER [--prior FILE] [--only PREFIX] [--draws 12]

DATA_FOLDER is as `scripts/latency_data.py` says. Every figure of FBNet's devices and of the
accelerators is over random draws: networks to calibrate with, others to judge by. Of ncnn's devices
each of nine networks is left out, of the Jetsons each family. With --prior another prior than the
shipped one is judged: one that was fitted without these devices (`fit_latency_prior.py --without`).

`off by 2x` are the predictions that lie outside twice their interval, in the log.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from latency_data import Known, read_devices
from scipy.stats import spearmanr

from nas.latency.calibration import SPREADS, judged
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
    posterior, chosen, left_out = judged(
        [device.networks[i] for i in seen],
        device.latency_ms[seen],
        [prior.narrowed(one) for one in SPREADS],
    )
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


def family(name: str) -> str:
    """The family of a published network."""
    return next((f for f in FAMILIES if name.startswith(f)), name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--every", type=int, default=1, help="of ncnn's settings, every n-th")
    given = parser.parse_args()
    prior = shipped_prior()
    if given.prior:
        prior = Prior.from_json(given.prior.read_text(encoding="utf-8"))
    known = {k: v for k, v in read_devices(given.data).items() if k.startswith(tuple(given.only))}
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
