"""`Target`: a device whose latencies can be predicted, by name or by file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from nas.architecture import Architecture
from nas.blocks import Block
from nas.defaults import TARGETS_FOLDER
from nas.graph import Shape
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import lowered_output, lowered_row, typical_layout
from nas.latency.metadata import Metadata, read_metadata
from nas.latency.model.basis import Additive
from nas.latency.model.predictor import table_predictor
from nas.support.errors import NasError, one_of
from nas.support.files import at_home, read_bytes
from nas.support.resources import shipped

UNKNOWN_FACTOR = 2.0  # the interval of a target whose error is not known


class Prediction(NamedTuple):
    """A latency in ms and the interval that holds nine out of ten measured ones."""

    ms: float
    low_ms: float
    high_ms: float


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
        self._rows: dict[tuple[Block, Shape, bool], tuple[float, bool, Shape]] = {}

    @property
    def name(self) -> str:
        return self.metadata.name

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
        if metadata.provenance == "measured":
            data = read_bytes(table, f"table {table}")
            return cls(metadata, table_predictor(metadata, table), data)
        if metadata.weights:
            return cls(metadata, Additive(metadata.weights))
        return cls(metadata, Additive(metadata.weights))

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
            found, shape, blocked = [], arch.input_shape, False
            for row in arch.rows():
                known = self._rows.get((row, shape, blocked))
                if known is None:
                    break
                ms, blocked, shape = known
                found.append(ms)
            else:
                output = lowered_output(self.metadata.lowering, shape, blocked)
                found[-1] += sum(map(self.kernel_ms, output))
                return found
            self._learn_rows(arch.rows(), arch.input_shape, False)

    def predict(self, arch: Architecture) -> Prediction:
        """The latency of a network, one image at a time."""
        ms = self.constant_ms + sum(self.rows_ms(arch))
        return Prediction(ms, ms / self._factor, ms * self._factor)

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
    return sorted({path.stem for path in _files()})


def target_path(name: str | Path) -> Path:
    """The YAML file that `Target.load` reads. Errors: `NasError` with the nearest name."""
    if Path(name).suffix in (".yaml", ".yml"):
        return Path(at_home(str(name)))
    files = list(_files())
    for path in files:
        if path.stem == str(name):
            return path
    aliases = _aliases(files)
    if str(name) in aliases:
        return aliases[str(name)]
    raise one_of("target", str(name), {path.stem for path in files} | aliases.keys())


def _checksum(predictor: KernelPredictor, metadata: Metadata, factor: float, table: bytes) -> str:
    facts = [predictor.facts(), metadata.precision, metadata.lowering, factor]
    return sha256(json.dumps(facts, sort_keys=True).encode() + table).hexdigest()


def _files() -> Iterator[Path]:
    for folder in (TARGETS_FOLDER, shipped(str(TARGETS_FOLDER))):
        yield from sorted(folder.glob("*.yaml"))


def _aliases(files: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        try:
            metadata = read_metadata(path)
        except NasError:
            continue  # a bad file has no alias; it is an error only to whoever loads it
        for alias in metadata.aliases:
            found.setdefault(alias, path)
    return found
