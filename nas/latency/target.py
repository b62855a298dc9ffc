"""`Target`: a device whose latencies can be predicted, by name or by file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from hashlib import sha256
from itertools import islice
from math import exp, log
from pathlib import Path
from typing import NamedTuple

from nas.architecture import Architecture
from nas.blocks import Block
from nas.defaults import TARGETS_FOLDER
from nas.graph import Graph, Shape
from nas.imported import Network, check_network, networks_of
from nas.latency.absent import unknown_target
from nas.latency.folders import calibrated_file, found_as, own_targets
from nas.latency.known import Known
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import graph_kernels, lowered_output, typical_layout
from nas.latency.metadata import SUFFIXES, Metadata, check_name, read_metadata
from nas.latency.model.calibrated import Calibrated
from nas.latency.model.fitting import table_predictor, timed_networks
from nas.latency.model.npu_memory import ENCODINGS, Memory, network_memory
from nas.latency.model.scaled import KernelPredictor, Scaled, scale
from nas.support.errors import NasError, check_type
from nas.support.files import at_home, given_path, read_bytes, read_text, write_whole
from nas.support.html import Html, table, tag
from nas.support.resources import shipped
from nas.support.text import between, significant

SHIPPED = shipped(str(TARGETS_FOLDER))
EXTRAPOLATED = 2.0  # times the logarithm of the usual interval
UNKNOWN_FACTOR = 2.0  # the interval of a target whose error is not known
CHUNK = 6  # networks that are predicted at once: their graphs are then still there for their costs


class Prediction(NamedTuple):
    """A latency in ms and the interval that holds nine out of ten measured ones."""

    ms: float
    low_ms: float
    high_ms: float

    def __str__(self) -> str:
        return f"{significant(self.ms)} ms ({between(self.low_ms, self.high_ms)})"

    def _repr_html_(self) -> Html:
        interval = f"nine of ten measured: {between(self.low_ms, self.high_ms)} ms"
        return tag("span", tag("b", f"{significant(self.ms)} ms"), f" ({interval})")


class Target:
    """A device: its metadata and a predictor that is additive over the kernels of a network.

    `checksum` (64 hexadecimal digits) changes with anything that a prediction or its interval
    depends on, its `table` (the bytes of the CSV) included, and with nothing else.
    """

    def __init__(
        self,
        metadata: Metadata,
        predictor: KernelPredictor,
        table: bytes = b"",
        checksum: str | None = None,
    ) -> None:
        """`checksum` is that of a target that was kept without its `table`."""
        self.metadata = metadata
        self.predictor = predictor
        self._factor = metadata.error.interval_factor if metadata.error else UNKNOWN_FACTOR
        self.checksum = checksum or _checksum(predictor, metadata, self._factor, table)
        self._known = Known(predictor, metadata.lowering)

    @property
    def name(self) -> str:
        return self.metadata.name

    def __repr__(self) -> str:
        facts = self.metadata
        return f"<Target {self.name!r}: {facts.kind}, {self._error}>"

    @property
    def _error(self) -> str:
        error = self.metadata.error
        return f"error {error.mape:.1%}" if error else "no error known"

    def _repr_html_(self) -> Html:
        facts = self.metadata
        rows = [
            ("device", facts.device),
            ("runtime", f"{facts.runtime}, {facts.precision}"),
            ("latencies", f"{facts.provenance}, {facts.date}"),
            ("on networks that were left out of the fit", self._error),
            ("sources", "; ".join(facts.sources)),
        ]
        return table(("target", self.name), rows, left=2)

    @property
    def interval_known(self) -> bool:
        """Whether the interval comes from errors on networks that were left out of the fit. If
        not, it is only a guess: half to twice the prediction."""
        return self.metadata.error is not None

    @classmethod
    def load(cls, name: str | Path) -> Target:
        """By the path of a .yaml file, or by name or alias: first among `latency_tables` of the
        working directory, then among the user's own, then among the shipped ones. Errors:
        `NasError`: file, key, rule."""
        path = target_path(name)
        metadata = read_metadata(path)
        table = path.with_suffix(".csv")
        if metadata.provenance != "calibrated":
            data = read_bytes(table, f"table {table}")
            if metadata.scales is not None:
                return cls(metadata, scaled_predictor(metadata, table), data)
            return cls(metadata, table_predictor(metadata, table), data)
        try:
            return cls(metadata, Calibrated.from_json(metadata.fit, metadata.weights))
        except NasError as error:
            raise NasError(f"target {path}: {error}") from None

    def save(self, where: str | Path) -> Path:
        """Writes a calibrated target as `nas calibrate` does, under a name by which `load` and
        commands find it, or to the path of a .yaml file, and returns the path. A file of that name
        is replaced. Errors: `NasError`, also for a target with a table, which is a file already."""
        if self.metadata.provenance != "calibrated":
            raise NasError(f"target {self.name!r} has a table: copy its .yaml and its .csv")
        path, name = given_path(where, "where"), str(where)
        if path.suffix in SUFFIXES:  # a file has its target's name
            name = self.name if self.name.split("/")[-1] == path.stem else path.stem
        check_name(name)
        path = path if path.suffix in SUFFIXES else calibrated_file(name)
        write_whole(path, self.metadata.model_copy(update={"name": name}).to_yaml())
        return path

    @cached_property
    def constant_ms(self) -> float:
        """The latency of a network without kernels, in ms."""
        return self.predictor.constant_ms

    def kernel_ms(self, kernel: Kernel) -> float:
        """The latency of one kernel in ms, memoised."""
        (number,) = self._known.learn([kernel])
        return self._known.ms[number]

    def row_ms(self, row: Block, input_shape: Shape) -> float:
        """The latency of one row of an architecture in ms, memoised: of one that reads the tensor
        as a convolution leaves it, as most rows do. In its network it may take a little longer."""
        known = self._known.rows[input_shape, typical_layout(self.metadata.lowering, input_shape)]
        if row not in known:
            self.learn([(row, input_shape)])
        return known[row][0]

    def learn(self, rows: Iterable[tuple[Block, Shape]]) -> None:
        """Predicts what is new in rows, each by itself, all at once, for `row_ms`."""
        lowering = self.metadata.lowering
        self._known.learn_rows(
            ([row], shape, typical_layout(lowering, shape)) for row, shape in rows
        )

    def rows_ms(self, arch: Architecture) -> list[float]:
        """The latency of each row in ms; with `constant_ms` they add up to the prediction."""
        rows = self._known.rows_of(arch)
        latencies, (_, blocked, shape, _) = [row[0] for row in rows], rows[-1]
        output = lowered_output(self.metadata.lowering, shape, blocked)
        latencies[-1] += sum(map(self.kernel_ms, output))
        return latencies

    def nodes_ms(self, graph: Graph) -> list[float]:
        """The latency of each node of a graph but its input in ms; with `constant_ms` they add up
        to the prediction."""
        each = graph_kernels(graph, self.metadata.lowering)
        self._known.learn([kernel for kernels in each for kernel in kernels])
        return [sum(map(self.kernel_ms, kernels)) for kernels in each]

    def predict(self, network: Network) -> Prediction:
        """The latency of a network, one image at a time. Errors: `NasError` for what is none."""
        if isinstance(network, Architecture):
            ms = self.constant_ms + sum(self.rows_ms(network))
        else:
            check_network(network, "predict")
            ms = self.constant_ms + sum(self.nodes_ms(network.graph()))
        factor = self._factor
        if self.interval_known:
            trace = self._known.traces.of(self._known.kernels_of(network))
            factor = exp(self.predictor.log_interval(trace, log(factor)))
        return Prediction(ms, ms / factor, ms * factor)

    def predict_all(self, networks: Iterable[Network]) -> Iterator[Prediction]:
        """Yields the latency of each network. What is new in some of them is predicted at once,
        which is faster than network by network."""
        networks = networks_of(networks, "predict_all")
        while some := list(islice(networks, CHUNK)):
            self._known.learn_rows(
                (a.rows(), a.input_shape, False) for a in some if isinstance(a, Architecture)
            )
            yield from map(self.predict, some)

    def memory(self, arch: Architecture) -> Memory | None:
        """The SRAM and the flash that the network takes; None on a target that does not say."""
        return network_memory(arch, self.npu) if self.npu else None

    @cached_property
    def npu(self) -> str:
        """The NPU or its kind, as `ENCODINGS` names it; empty where the target is none."""
        if self.metadata.lowering != "ethos-u":
            return ""
        name = self.metadata.provider or ""
        return name if name in ENCODINGS else name.rpartition("-")[0]

    def extrapolates(self, prediction: Prediction) -> bool:
        """Whether an interval is much wider than those of networks such as the target was
        calibrated on: the prediction rests on work that they hardly determine."""
        wide = EXTRAPOLATED * log(self._factor)
        return prediction.ms > 0 and log(prediction.high_ms / prediction.ms) > wide


def hidden_by(path: Path) -> str | None:
    """The shipped target whose name or alias finds the user's one in `path`, None without one."""
    if (name := found_as(path)) is None:
        return None
    shipped = SHIPPED / f"{name}.yaml"
    if not shipped.exists():
        shipped = _aliases(sorted(SHIPPED.rglob("*.yaml")), name).get(name, shipped)
    return shipped.relative_to(SHIPPED).with_suffix("").as_posix() if shipped.exists() else None


def scaled_predictor(metadata: Metadata, table: Path) -> Scaled:
    """The predictor of the shipped target that `metadata` scales, scaled to the table's networks.

    Errors: `NasError`, also where there is no such target.
    """
    base = shipped_target(metadata.scales or "")
    return scale(base.predictor, *timed_networks(metadata, table))


def shipped_target(name: str) -> Target:
    """The shipped target of that name, whatever the user calls theirs. Errors: `NasError`."""
    path = SHIPPED / f"{name}.yaml"
    if not path.exists():
        raise NasError(f"target {name!r:.60}, which another one scales, is not shipped any more")
    return Target.load(path)


def target_names() -> list[str]:
    """The names of the targets in the working directory, the user's and the shipped ones."""
    return sorted({name for name, _ in _files()})


def target_path(name: str | Path) -> Path:
    """The YAML file that `Target.load` reads. Errors: `NasError` with the nearest names."""
    check_type(name, "target", "a name or a path, as Target.name is one", str, Path)
    if Path(name).suffix in SUFFIXES:
        return Path(at_home(str(name)))
    files = list(_files())
    if found := next((path for known, path in files if known == str(name)), None):
        return found
    paths = [path for _, path in files]
    if by_alias := _aliases(paths, str(name)).get(str(name)):
        return by_alias
    names = {n for n, _ in files} | _aliases(paths).keys()
    raise unknown_target(str(name), names)


@cache
def shipped_checksum(name: str) -> str | None:
    """The checksum of the shipped target of that name, None where there is none. It stays the same
    as long as the program runs."""
    path = SHIPPED / f"{name}.yaml"
    return Target.load(path).checksum if path.exists() else None


def _checksum(predictor: KernelPredictor, metadata: Metadata, factor: float, table: bytes) -> str:
    facts = [predictor.facts(), metadata.precision, metadata.lowering, factor]
    return sha256(json.dumps(facts, sort_keys=True).encode() + table).hexdigest()


def _files() -> Iterator[tuple[str, Path]]:
    """The name and the file of every target: a folder's is part of the name."""
    for folder in (TARGETS_FOLDER, own_targets(), SHIPPED):
        for path in sorted([*folder.glob("*.yaml"), *folder.glob("*/*.yaml")]):
            yield path.relative_to(folder).with_suffix("").as_posix(), path


def _aliases(files: list[Path], name: str = "") -> dict[str, Path]:
    """The files by alias; with a `name` only of those that have it in their text, which is fast."""
    by_alias: dict[str, Path] = {}
    for path in files:
        try:
            if name not in read_text(path, f"target {path}"):
                continue
            metadata = read_metadata(path)
        except NasError:
            continue  # a bad file has no alias; it is an error only to whoever loads it
        for alias in metadata.aliases:
            by_alias.setdefault(alias, path)
    return by_alias
