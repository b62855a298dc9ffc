"""How well a measured target predicts networks that it has never seen, on the machine at hand.

    nice -n -10 python scripts/bench_latency.py measure FOLDER [--networks N]  # about 8 minutes
    python scripts/bench_latency.py report FOLDER TARGET

`measure` times 1,000 fresh networks of `mobile` and `small`, as `nas measure` does, and single
kernels for the baselines; interrupted, it goes on. `report` prints the errors of the target, also
without what the reference networks that were timed beside them show, and of the baselines whose
kernels are there, against the noise of the measurement.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np

from nas.architecture import Architecture
from nas.blocks import Block
from nas.costs import cost
from nas.latency import Target
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import network_kernels
from nas.latency.measuring.bundle import model_files
from nas.latency.measuring.plan import ANCHORS, anchors, mixed_network
from nas.latency.measuring.verify import drift
from nas.latency.model.basis import Vector
from nas.latency.model.corrections import features
from nas.latency.runner.batches import run
from nas.latency.runner.timing import TimingSettings
from nas.latency.table import Subject, TableRow, read_table
from nas.latency.target import target_path
from nas.resolution import mean_side

FRESH, FIRST_SEED = 1000, 1_000_000_000  # seeds that `nas measure` never comes to
KERNELS = 600
NETWORKS_CSV, KERNELS_CSV = "fresh.csv", "kernels.csv"
PLAIN = ("conv", "pointwise", "depthwise", "grouped")


def fresh() -> list[Subject]:
    """The networks that nobody has fitted anything to."""
    return [Subject.network(mixed_network(FIRST_SEED + i)) for i in range(FRESH)]


def single_kernels() -> Iterator[Subject]:
    """Kernels of other networks, each timed alone."""
    rng = np.random.default_rng(0)
    for i in range(KERNELS):
        arch = mixed_network(FIRST_SEED * 2 + i)
        found = [(k, row) for k in network_kernels(arch) if (row := alone(k)) is not None]
        kernel, row = found[rng.integers(len(found))]
        yield Subject.kernel(row, kernel.inputs[0])


def alone(kernel: Kernel) -> Block | None:
    """A row of this one kernel, where there is one."""
    square = kernel.size[0] == kernel.size[1] and kernel.inputs[0][1] == kernel.inputs[0][2]
    if not square:
        return None
    if kernel.op in PLAIN:
        shape = {"kernel": kernel.size[0], "stride": kernel.stride, "groups": kernel.groups}
        return Block("conv", out=kernel.output[0], act=kernel.act, **shape)
    if kernel.op == "linear":
        return Block("linear", out=kernel.output[0], act=kernel.act)
    return Block("gap") if kernel.op == "gap" else None


def measure(folder: Path, count: int) -> None:
    """Times everything; rows that are there already are kept."""
    tables = {NETWORKS_CSV: fresh()[:count], KERNELS_CSV: dict.fromkeys(single_kernels())}
    for name, subjects in tables.items():
        with TemporaryDirectory() as place:
            entries = model_files(Path(place), [*anchors(), *subjects], "fp32")
            run(Path(place), entries, folder / name, TimingSettings(), 60, print, len(subjects))


def rows(path: Path) -> list[TableRow]:
    """Everything in a table but the anchors."""
    return read_table(path)[len(ANCHORS) :]


def reference_drift(path: Path, target: Target) -> float:
    """How much longer the anchors of a table take than the target predicts of them."""
    timed = {row.subject.spec: (row.latency_ms, row.spread) for row in read_table(path)}
    return drift(timed, target)


class Summed:
    """A baseline: the latency of a network is the sum of what its kernels take alone, each less
    what the fastest of them takes, which is the cost of running anything."""

    def __init__(self, table: Sequence[TableRow]) -> None:
        self.kernels = [row.subject.kernels()[0] for row in table]
        alone_ms = np.array([row.latency_ms for row in table])
        ms = np.maximum(alone_ms - alone_ms.min(), 0.1 * alone_ms)
        self.log_ms = np.log(ms)
        self.x = features(self.kernels)
        # What moves data only and cannot be timed alone costs as much a number as pooling does.
        pools = [
            t / k.moved for k, t in zip(self.kernels, ms.tolist(), strict=True) if k.op == "gap"
        ]
        self.per_number = float(np.median(pools))

    def predict(self, archs: Sequence[Architecture]) -> Vector:
        """The summed latency of each network in ms."""
        networks = [network_kernels(arch) for arch in archs]
        found: dict[Kernel, float] = {}
        for op, kernels in by_op({k for network in networks for k in network}).items():
            if op in by_op(self.kernels):
                ms = np.exp(self.known(op, features(kernels)))
            else:
                ms = np.array([self.per_number * k.moved for k in kernels])
            found.update(zip(kernels, ms, strict=True))
        return np.array([sum(map(found.__getitem__, network)) for network in networks])

    def known(self, op: str, x: Vector) -> Vector:
        """The log latency of the most similar kernel that was timed, for each row of features."""
        mine = np.array([k.op == op for k in self.kernels])
        distances = ((x[:, None] - self.x[mine]) ** 2).sum(2)
        return np.asarray(self.log_ms[mine][distances.argmin(1)])


class Regressed(Summed):
    """The same with a regression on the kernels instead of the most similar one."""

    def __init__(self, table: Sequence[TableRow]) -> None:
        from sklearn.ensemble import GradientBoostingRegressor

        super().__init__(table)
        self.models = {}
        for op in by_op(self.kernels):
            mine = np.array([k.op == op for k in self.kernels])
            model = GradientBoostingRegressor(max_depth=4, random_state=0)
            self.models[op] = model.fit(self.x[mine], self.log_ms[mine])

    def known(self, op: str, x: Vector) -> Vector:
        return np.asarray(self.models[op].predict(x))


def by_op(kernels: Iterable[Kernel]) -> dict[str, list[Kernel]]:
    """The kernels by their operation."""
    found: dict[str, list[Kernel]] = {}
    for kernel in kernels:
        found.setdefault(kernel.op, []).append(kernel)
    return found


def flops_fit(target: Target, archs: Sequence[Architecture]) -> Vector:
    """A line through the networks of the target's own table, by least relative squares."""
    table = read_table(target_path(target.name).with_suffix(".csv"))
    known = [row for row in table if row.subject.kind == "network"]
    latency_ms = np.array([row.latency_ms for row in known])
    macs = np.array([cost(row.subject.architecture()).macs for row in known])
    line = np.stack([macs, np.ones(len(known))], 1) / latency_ms[:, None]
    slope, start = np.linalg.lstsq(line, np.ones(len(known)), rcond=None)[0]
    return np.array([slope * cost(a).macs + start for a in archs])


def report(folder: Path, name: str) -> None:
    """Prints the errors, one line a predictor."""
    from scipy.stats import kendalltau

    networks = rows(folder / NETWORKS_CSV)
    archs = [row.subject.architecture() for row in networks]
    measured = np.log([row.latency_ms for row in networks])
    target = Target.load(name)
    times = [process_time()]
    for _ in range(2):  # nothing is remembered at first, everything the second time
        predictions = [target.predict(a) for a in archs]
        times.append(process_time())
    new, known = len(archs) / np.diff(times)
    small = np.array([mean_side(a.resolution) < 100 for a in archs])
    noise = np.array([row.spread for row in networks])
    print(f"{len(archs)} fresh networks")
    print(f"standard error of a measured latency: {rms(noise):.2%}; "
          f"`mobile` {rms(noise[~small]):.2%}, `small` {rms(noise[small]):.2%}")  # fmt: skip
    print("| predictor | within 5% | within 10% | RMSPE | MAPE | bias | Kendall |")
    predicted = {
        target.name: np.array([p.ms for p in predictions]),
        "multiply-adds, a line": flops_fit(target, archs),
    }
    if (folder / KERNELS_CSV).exists():
        kernels = rows(folder / KERNELS_CSV)
        predicted["nearest kernel, summed"] = Summed(kernels).predict(archs)
        predicted["kernel regression, summed"] = Regressed(kernels).predict(archs)
    for label, ms in predicted.items():
        line(label, np.log(ms) - measured, float(kendalltau(ms, measured).statistic))
    off = np.log(predicted[target.name]) - measured
    line("  of `mobile`", off[~small], None)
    line("  of `small`", off[small], None)
    line("  without the bias", off - np.median(off), None)
    off += np.log1p(reference_drift(folder / NETWORKS_CSV, target))
    line("  without the drift of the reference networks", off, None)
    line("    of `mobile`", off[~small], None)
    line("    of `small`", off[small], None)
    inside = [
        p.low_ms <= ms <= p.high_ms for p, ms in zip(predictions, np.exp(measured), strict=True)
    ]
    print(f"90% intervals hold {np.mean(inside):.1%}")
    print(f"predictions per CPU second: {new:,.0f} with new kernels, {known:,.0f} memoised")


def rms(values: Vector) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def line(label: str, logs: Vector, tau: float | None) -> None:
    """One row of the table."""
    off = np.expm1(logs)
    cells = [f"{np.mean(np.abs(off) < limit):.1%}" for limit in (0.05, 0.1)]
    cells += [
        f"{rms(off):.2%}",
        f"{np.mean(np.abs(off)):.2%}",
        f"{np.mean(off):+.2%}",
    ]
    print(f"| {label} | {' | '.join(cells)} | {'' if tau is None else f'{tau:.3f}'} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("measure", "report"):
        commands.add_parser(name).add_argument("folder", type=Path)
    commands.choices["measure"].add_argument("--networks", type=int, default=FRESH)
    commands.choices["report"].add_argument("target")
    options = parser.parse_args()
    if options.command == "measure":
        measure(options.folder, options.networks)
    else:
        report(options.folder, options.target)


if __name__ == "__main__":
    main()
