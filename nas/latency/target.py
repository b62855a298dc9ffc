"""`Target`: a device whose latencies can be predicted, by name or by file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from math import exp, log
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from nas.architecture import Architecture
from nas.blocks import Block
from nas.defaults import TARGETS_FOLDER
from nas.graph import Graph, Shape
from nas.imported import Network
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import (
    graph_kernels,
    lowered_output,
    lowered_row,
    network_kernels,
    typical_layout,
)
from nas.latency.metadata import Metadata, read_metadata
from nas.latency.model.calibrated import Calibrated, Trace
from nas.latency.model.npu_memory import Memory, network_memory
from nas.latency.model.predictor import table_predictor
from nas.support.errors import NasError, one_of
from nas.support.files import at_home, read_bytes, read_text
from nas.support.html import Html, table, tag
from nas.support.resources import shipped
from nas.support.text import between, significant

EXTRAPOLATED = 2.0  # times the logarithm of the usual interval
UNKNOWN_FACTOR = 2.0  # the interval of a target whose error is not known


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


class KernelPredictor(Protocol):
    """What a target predicts with; `facts` are its numbers as plain data."""

    @property
    def constant_ms(self) -> float: ...

    def kernels_ms(self, kernels: Sequence[Kernel]) -> list[float]: ...

    def facts(self) -> dict[str, Any]: ...


class Target:
    """A device: its metadata and a predictor that is additive over the kernels of a network.

    `checksum` (64 hexadecimal digits) changes with anything that a prediction or its interval
    depends on, its `table` (the bytes of the CSV) included, and with nothing else.
    """

    def __init__(self, metadata: Metadata, predictor: KernelPredictor, table: bytes = b"") -> None:
        self.metadata = metadata
        self.predictor = predictor
        self._factor = metadata.error.interval_factor if metadata.error else UNKNOWN_FACTOR
        self.checksum = _checksum(predictor, metadata, self._factor, table)
        self._kernels: dict[Kernel, float] = {}
        self._traces: dict[tuple[Block, Shape], tuple[Trace, Shape]] = {}
        self._rows: dict[tuple[Block, Shape, bool], tuple[float, bool, Shape]] = {}

    @property
    def name(self) -> str:
        return self.metadata.name

    def __repr__(self) -> str:
        facts = self.metadata
        return f"<Target {self.name!r}: {facts.provenance}, {facts.precision}, {self._error}>"

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
        working directory, then among the shipped ones. Errors: `NasError`: file, key, rule."""
        path = target_path(name)
        metadata = read_metadata(path)
        table = path.with_suffix(".csv")
        if metadata.provenance != "calibrated":
            data = read_bytes(table, f"table {table}")
            return cls(metadata, table_predictor(metadata, table), data)
        try:
            return cls(metadata, Calibrated.from_json(metadata.fit, metadata.weights))
        except NasError as error:
            raise NasError(f"target {path}: {error}") from None

    @cached_property
    def constant_ms(self) -> float:
        """The latency of a network without kernels, in ms."""
        return self.predictor.constant_ms

    def kernel_ms(self, kernel: Kernel) -> float:
        """The latency of one kernel in ms, memoised."""
        self._learn([kernel])
        return self._kernels[kernel]

    def row_ms(self, row: Block, input_shape: Shape) -> float:
        """The latency of one row of an architecture in ms, memoised: of one that reads the tensor
        as a convolution leaves it, as most rows do. In its network it may take a little longer."""
        blocked = typical_layout(self.metadata.lowering, input_shape)
        known = self._rows.get((row, input_shape, blocked))
        if known is None:
            self._learn_rows([row], input_shape, blocked)
            known = self._rows[row, input_shape, blocked]
        return known[0]

    def rows_ms(self, arch: Architecture) -> list[float]:
        """The latency of each row in ms; with `constant_ms` they add up to the prediction."""
        while True:
            latencies, shape, blocked = [], arch.input_shape, False
            for row in arch.rows():
                known = self._rows.get((row, shape, blocked))
                if known is None:
                    break
                ms, blocked, shape = known
                latencies.append(ms)
            else:
                output = lowered_output(self.metadata.lowering, shape, blocked)
                latencies[-1] += sum(map(self.kernel_ms, output))
                return latencies
            self._learn_rows(arch.rows(), arch.input_shape, False)

    def nodes_ms(self, graph: Graph) -> list[float]:
        """The latency of each node of a graph but its input in ms; with `constant_ms` they add up
        to the prediction."""
        each = graph_kernels(graph, self.metadata.lowering)
        self._learn([kernel for kernels in each for kernel in kernels])
        return [sum(self._kernels[kernel] for kernel in kernels) for kernels in each]

    def predict(self, network: Network) -> Prediction:
        """The latency of a network, one image at a time."""
        if isinstance(network, Architecture):
            ms = self.constant_ms + sum(self.rows_ms(network))
        else:
            ms = self.constant_ms + sum(self.nodes_ms(network.graph()))
        factor = self._factor
        if isinstance(self.predictor, Calibrated) and self.interval_known:
            factor = exp(self.predictor.log_interval(self._traces_of(self.predictor, network)))
        return Prediction(ms, ms / factor, ms * factor)

    def memory(self, arch: Architecture) -> Memory | None:
        """The SRAM and the flash that the network takes; None on a target that does not say."""
        return network_memory(arch, self.npu) if self.npu else None

    @cached_property
    def npu(self) -> str:
        """The kind of NPU, such as `ethos-u55`; empty where the target is none."""
        if self.metadata.lowering != "ethos-u":
            return ""
        return (self.metadata.provider or "").rpartition("-")[0]

    def extrapolates(self, prediction: Prediction) -> bool:
        """Whether an interval is much wider than those of networks such as the target was
        calibrated on: the prediction rests on work that they hardly determine."""
        wide = EXTRAPOLATED * log(self._factor)
        return prediction.ms > 0 and log(prediction.high_ms / prediction.ms) > wide

    def _traces_of(self, predictor: Calibrated, network: Network) -> list[Trace]:
        """Where the milliseconds come from: of an architecture row by row, memoised."""
        if not isinstance(network, Architecture):
            return [predictor.trace(network_kernels(network, self.metadata.lowering))]
        arch = network
        traces, shape = [], arch.input_shape
        for row in arch.rows():
            known = self._traces.get((row, shape))
            if known is None:
                lowered = lowered_row(self.metadata.lowering, row, shape, False)
                known = self._traces[row, shape] = (
                    predictor.trace(lowered.kernels),
                    lowered.output,
                )
            trace, shape = known
            traces.append(trace)
        return traces

    def _learn_rows(self, successive: Iterable[Block], shape: Shape, blocked: bool) -> None:
        """Predicts what is new in rows all at once: one by one is many times slower."""
        rows = []
        for row in successive:
            lowered = lowered_row(self.metadata.lowering, row, shape, blocked)
            rows.append(((row, shape, blocked), lowered))
            _, blocked, shape = lowered
        self._learn([k for _, lowered in rows for k in lowered.kernels])
        for key, (kernels, after, output) in rows:
            self._rows[key] = (sum(self._kernels[k] for k in kernels), after, output)

    def _learn(self, kernels: Iterable[Kernel]) -> None:
        new = [k for k in dict.fromkeys(kernels) if k not in self._kernels]
        if new:
            self._kernels.update(zip(new, self.predictor.kernels_ms(new), strict=True))


def target_names() -> list[str]:
    """The names of the targets in the working directory and of the shipped ones, sorted."""
    return sorted({name for name, _ in _files()})


def target_path(name: str | Path) -> Path:
    """The YAML file that `Target.load` reads. Errors: `NasError` with the nearest name."""
    if Path(name).suffix in (".yaml", ".yml"):
        return Path(at_home(str(name)))
    files = list(_files())
    for known, path in files:
        if known == str(name):
            return path
    aliases = _aliases([path for _, path in files], str(name)) or _aliases([p for _, p in files])
    if str(name) in aliases:
        return aliases[str(name)]
    raise one_of("target", str(name), {known for known, _ in files} | aliases.keys())


def _checksum(predictor: KernelPredictor, metadata: Metadata, factor: float, table: bytes) -> str:
    facts = [predictor.facts(), metadata.precision, metadata.lowering, factor]
    return sha256(json.dumps(facts, sort_keys=True).encode() + table).hexdigest()


def _files() -> Iterator[tuple[str, Path]]:
    """The name and the file of every target: a folder's is part of the name."""
    for folder in (TARGETS_FOLDER, shipped(str(TARGETS_FOLDER))):
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
