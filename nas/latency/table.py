"""A target's table: what was timed and how long it took, as strictly read CSV.

Columns: kind, spec, latency_ms, spread, visits. The `spec` of a `network` or of a `block` is an
architecture's JSON, of a block that of a small network around it; of a network that another program
wrote it is {"graph": its nodes}; that of a `kernel` is
{"input": [C, H, W], "row": {"kind": ..., settings}}, a row of a single operation. `spread` is the
relative standard error of the latency.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import inf, isfinite
from numbers import Real
from pathlib import Path
from typing import NamedTuple

from nas.architecture import Architecture
from nas.blocks import Block
from nas.graph import Graph, Shape
from nas.graph_json import graph_of_plain, graph_to_plain
from nas.imported import Network
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import NEUTRAL, Lowering, graph_kernels, network_kernels
from nas.resolution import read_resolution
from nas.support.errors import NasError, one_of, shown
from nas.support.tables import read_csv, write_csv

COLUMNS = ("kind", "spec", "latency_ms", "spread", "visits")
KINDS = ("network", "block", "kernel")
LEAST_MS, MOST_MS = 1e-6, 1e8  # a nanosecond and a day: beyond them a latency is none
MOST_SPREAD, MOST_VISITS = 1e3, 1e9


class Subject(NamedTuple):
    """Something that can be timed: its kind and its canonical spec, which identify it."""

    kind: str
    spec: str

    @classmethod
    def network(cls, network: Network) -> Subject:
        """A whole network; its name is no part of it. Errors: `NasError` for an imported one with
        operations that were not read."""
        if isinstance(network, Architecture):
            return cls("network", _dump(network.renamed("").to_dict()))
        if network.unread:
            raise NasError(f"{network.name} cannot be timed: {network.left_out}")
        return cls("network", _dump({"graph": graph_to_plain(network.graph())}))

    @classmethod
    def block(cls, arch: Architecture) -> Subject:
        """A block in context: the small network that it is timed in."""
        return cls("block", _dump(arch.renamed("").to_dict()))

    @classmethod
    def kernel(cls, row: Block, input_shape: Shape) -> Subject:
        """One row of a single operation, on an input."""
        settings = {"kind": row.kind, **dict(row.settings)}
        return cls("kernel", _dump({"input": input_shape, "row": settings}))

    def architecture(self) -> Architecture:
        """The network of a `network` or a `block`, for a `kernel` a network of the one row. Errors:
        `NasError` where the spec is not one."""
        network = self._network()
        if isinstance(network, Graph):
            raise NasError("another program wrote this network: it has no architecture")
        return network

    def _network(self) -> Architecture | Graph:
        data = _load(self.spec)
        if self.kind == "network" and isinstance(data, dict) and set(data) == {"graph"}:
            return graph_of_plain(data["graph"], "spec")
        if self.kind != "kernel":
            return Architecture.from_dict(data)
        if not isinstance(data, dict) or set(data) != {"input", "row"}:
            raise NasError("spec must be an object with the keys 'input' and 'row'")
        shape = data["input"]
        if not isinstance(shape, list) or len(shape) != 3:
            raise NasError(f"'input' must be [channels, height, width], not {shape!r:.40}")
        size = read_resolution((shape[1], shape[2]))
        keys = {"channels": shape[0], "resolution": size, "stem": [data["row"]]}
        return Architecture.from_dict({**keys, "stages": [], "head": []})

    def check(self) -> None:
        """Errors: `NasError` where the spec is not one of its kind."""
        self._network()

    def graph(self) -> Graph:
        """What is executed."""
        network = self._network()
        return network if isinstance(network, Graph) else network.graph()

    def kernels(self, lowering: Lowering = NEUTRAL) -> tuple[Kernel, ...]:
        """The kernels that are executed."""
        network = self._network()
        if isinstance(network, Graph):
            return tuple(k for each in graph_kernels(network, lowering) for k in each)
        return network_kernels(network, lowering)


class TableRow(NamedTuple):
    """A measurement. `spread` is a fraction of the latency."""

    subject: Subject
    latency_ms: float
    spread: float
    visits: int


def write_table(path: Path, rows: Iterable[TableRow]) -> None:
    """Writes the table whole."""
    write_csv(
        path,
        COLUMNS,
        ((*row.subject, f"{row.latency_ms:.6g}", f"{row.spread:.3g}", row.visits) for row in rows),
    )


def read_table(path: Path) -> list[TableRow]:
    """Reads a table. Errors: `NasError` naming the file, the row and the rule it breaks."""
    return read_csv(path, f"table {path}", COLUMNS, _row, lambda row: row.subject)


def _row(cells: list[str]) -> TableRow:
    kind, spec, latency, deviation, count = cells
    if kind not in KINDS:
        raise one_of("kind", kind, KINDS)
    subject = Subject(kind, _dump(_load(spec)))
    subject.check()
    latency_ms, spread = _number(latency, "latency_ms"), _number(deviation, "spread")
    visits = _number(count, "visits")
    check_latency(latency_ms)
    if spread < 0:
        raise NasError(f"spread must not be below 0, not {deviation:.40}")
    if spread > MOST_SPREAD:
        raise NasError(f"spread must be at most {MOST_SPREAD:g}, not {deviation:.40}")
    if not 1 <= visits <= MOST_VISITS or visits != int(visits):
        raise NasError(f"visits must be a whole number of at least 1, not {count:.40}")
    return TableRow(subject, latency_ms, spread, int(visits))


def check_latency(ms: object) -> None:
    """Checks that a latency can be one. Errors: `NasError`, also for what is no number."""
    if not isinstance(ms, Real) or isinstance(ms, bool):
        raise NasError(f"latency_ms must be a number, not {shown(ms)}")
    try:
        value = float(ms)
    except OverflowError:
        value = inf
    if not LEAST_MS <= value <= MOST_MS:
        rule = f"above 0, from {LEAST_MS:g} to {MOST_MS:g}"
        raise NasError(f"latency_ms must be {rule}, not {value:g}")


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise NasError(f"{name} must be a number, not {text!r:.40}") from None
    if not isfinite(value):
        raise NasError(f"{name} must be finite, not {text}")
    return value


def _dump(data: object) -> str:
    return json.dumps(data, separators=(",", ":"), sort_keys=True)


def _load(spec: str) -> object:
    try:
        data: object = json.loads(spec)
    except (ValueError, RecursionError) as error:
        raise NasError(f"spec is not JSON: {error}") from None
    return data
