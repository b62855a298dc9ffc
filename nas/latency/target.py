"""`Target`: a device whose latencies can be predicted, by name or by file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from nas.architecture import Architecture
from nas.blocks import Block, block_graph
from nas.errors import NasError, one_of
from nas.graph import Shape
from nas.latency.kernels import Kernel, row_kernels
from nas.latency.metadata import Metadata, read_metadata
from nas.latency.predictor import Predictor, table_predictor
from nas.resources import shipped

FOLDER = "latency_tables"
UNKNOWN_FACTOR = 2.0  # the interval of a target whose error is not known


class Prediction(NamedTuple):
    """A latency in ms and the interval that holds nine out of ten measured ones."""

    ms: float
    low_ms: float
    high_ms: float


class Target:
    """A device: its metadata and a predictor that is additive over the kernels of a network.

    `checksum` (64 hexadecimal digits) changes with anything that a prediction or its interval
    depends on, its `table` (the bytes of the CSV) included, and with nothing else.
    """

    def __init__(self, metadata: Metadata, predictor: Predictor, table: bytes = b"") -> None:
        self.metadata = metadata
        self.predictor = predictor
        self._factor = metadata.error.interval_factor if metadata.error else UNKNOWN_FACTOR
        self.checksum = _checksum(predictor, metadata.precision, self._factor, table)
        self._kernels: dict[Kernel, float] = {}
        self._rows: dict[tuple[Block, Shape], tuple[float, Shape]] = {}

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
        path = _find(name)
        metadata = read_metadata(path)
        table = path.with_suffix(".csv")
        if metadata.provenance == "measured":
            try:
                data = table.read_bytes()
            except OSError as error:
                raise NasError(f"table {table}: {error.strerror}") from None
            return cls(metadata, table_predictor(metadata, table), data)
        fitted = Predictor(metadata.coefficients, metadata.corrections, metadata.value_bytes)
        return cls(metadata, fitted)

    @cached_property
    def constant_ms(self) -> float:
        """The latency of a network without kernels, in ms."""
        return self.predictor.constant_ms

    def kernel_ms(self, kernel: Kernel) -> float:
        """The latency of one kernel in ms, memoised."""
        ms = self._kernels.get(kernel)
        if ms is None:
            ms = self._kernels[kernel] = self.predictor.kernel_ms(kernel)
        return ms

    def row_ms(self, row: Block, input_shape: Shape) -> float:
        """The latency of one row of an architecture in ms, memoised."""
        return self._row(row, input_shape)[0]

    def rows_ms(self, arch: Architecture) -> list[float]:
        """The latency of each row in ms; with `constant_ms` they add up to the prediction."""
        found, shape = [], arch.input_shape
        for row in arch.rows():
            ms, shape = self._rows.get((row, shape)) or self._row(row, shape)
            found.append(ms)
        return found

    def predict(self, arch: Architecture) -> Prediction:
        """The latency of a network, one image at a time."""
        ms = self.constant_ms + sum(self.rows_ms(arch))
        return Prediction(ms, ms / self._factor, ms * self._factor)

    def _row(self, row: Block, shape: Shape) -> tuple[float, Shape]:
        ms = sum(map(self.kernel_ms, row_kernels(row, shape)))
        found = self._rows[row, shape] = (ms, block_graph(row, shape).output_shape)
        return found


def target_names() -> list[str]:
    """The names of the targets in the working directory and of the shipped ones, sorted."""
    return sorted({path.stem for path in _files()})


def target_path(name: str | Path) -> Path:
    """The YAML file that `Target.load` reads. Errors: `NasError` with the nearest name."""
    return _find(name)


def _checksum(predictor: Predictor, precision: str, factor: float, table: bytes) -> str:
    facts = [dict(predictor.coefficients), dict(predictor.corrections), precision, factor]
    return sha256(json.dumps(facts, sort_keys=True).encode() + table).hexdigest()


def _files() -> Iterator[Path]:
    for folder in (Path(FOLDER), shipped(FOLDER)):
        yield from sorted(folder.glob("*.yaml"))


def _find(name: str | Path) -> Path:
    if Path(name).suffix in (".yaml", ".yml"):
        return Path(name)
    files = list(_files())
    for path in files:
        if path.stem == str(name):
            return path
    aliases = _aliases(files)
    if str(name) in aliases:
        return aliases[str(name)]
    raise one_of("target", str(name), {path.stem for path in files} | aliases.keys())


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
