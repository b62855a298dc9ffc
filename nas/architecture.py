"""`Architecture`: the single currency between the parts of the program."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from math import prod
from typing import Any, TypeVar

from nas.blocks import Block, block_graph
from nas.graph import Graph, Node, Shape
from nas.graph_costs import graph_cost
from nas.resolution import Resolution, read_resolution, sides
from nas.support.errors import NasError, check_type, check_whole, one_of, shown
from nas.support.html import Html, table

FORMAT = 1
FIRST_ATTRIBUTES = 13  # of a node, when hashes were first stored
MAX_SIZE = 65536
# Of networks from outside, far beyond any that is of use: what is larger hangs or fills the memory.
MAX_ROWS, MAX_STAGES, MAX_CHANNELS, MAX_MAP = 2000, 256, 65536, 2**30
COLUMNS = ("row", "block", "settings", "output", "parameters", "multiply-adds")
Rows = tuple[Block, ...]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, repr=False)
class Architecture:
    """A network, fully resolved: explicit channel counts, nothing left to choose.

    `stem`, the `stages` and `head` are rows applied one after the other to images of so many
    `channels` and that `resolution`. `name` is a label and takes no part in equality.
    """

    resolution: Resolution
    stem: Rows
    stages: tuple[Rows, ...]
    head: Rows
    channels: int = 3
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Errors: `NasError` for a resolution that is none, or without a row."""
        if not (self.stem or self.head or any(self.stages)):
            raise NasError("an architecture needs a row")
        if type(self.resolution) is not int:
            object.__setattr__(self, "resolution", read_resolution(self.resolution))

    @property
    def input_shape(self) -> Shape:
        return (self.channels, *sides(self.resolution))

    @property
    def classes(self) -> int:
        """The number of outputs."""
        return self.graph().output_shape[0]

    def rows(self) -> Iterator[Block]:
        """Every row in order: stem, stages, head."""
        return chain(self.stem, *self.stages, self.head)

    def named_rows(self) -> Iterator[tuple[str, Block]]:
        """Every row with its path, such as `stages.2.0`: the prefix of its parameters' names."""
        for i, row in enumerate(self.stem):
            yield f"stem.{i}", row
        for s, stage in enumerate(self.stages):
            for i, row in enumerate(stage):
                yield f"stages.{s}.{i}", row
        for i, row in enumerate(self.head):
            yield f"head.{i}", row

    def walk(self, step: Callable[[Block, Shape], tuple[Value, Shape]]) -> Iterator[Value]:
        """The value that `step` gives, with the output shape, of every row and its input shape.

        A memoised step makes the walk a lookup a row. Errors: those of `step`.
        """
        shape = self.input_shape
        for row in self.rows():
            value, shape = step(row, shape)
            yield value

    def row_graphs(self) -> Iterator[tuple[str, Graph]]:
        """Every row's path and graph. Errors: `ShapeError`, naming the row."""
        for (path, _), graph in zip(self.named_rows(), self.walk(_row_graph), strict=True):
            yield path, graph

    def graph(self) -> Graph:
        """The whole network as one graph; node names are paths such as `stages.2.0.expand`."""
        nodes = [Node("input", "input", (), self.input_shape)]
        last = 0
        for path, graph in self.row_graphs():
            offset = len(nodes) - 1
            for node in graph.nodes[1:]:
                inputs = tuple(last if i == 0 else i + offset for i in node.inputs)
                nodes.append(node._replace(name=f"{path}.{node.name}", inputs=inputs))
            last = last if graph.output == 0 else graph.output + offset
        return Graph(tuple(nodes), last)

    @property
    def hash(self) -> str:
        """64 hexadecimal digits, equal for networks whose rows write the same graphs.

        Stable across processes; settings that change nothing in the graph do not change it.
        """
        digest = sha256(repr(self.input_shape).encode())
        for part in self.walk(_row_digest):
            digest.update(part)
        return digest.hexdigest()

    def summary(self) -> str:
        """A line a row: its name, block and settings, output (C, H, W), parameters and
        multiply-adds; the last line is the whole's."""
        cells = [COLUMNS, *self._summary()]
        sizes = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join(
            "  ".join(
                text.ljust(size) if i < 3 else text.rjust(size)
                for i, (text, size) in enumerate(zip(row, sizes, strict=True))
            ).rstrip()
            for row in cells
        )

    def _summary(self) -> Iterator[tuple[str, ...]]:
        total_params = total_macs = 0
        for (name, row), (_, graph) in zip(self.named_rows(), self.row_graphs(), strict=True):
            params, macs, _ = graph_cost(graph)
            total_params, total_macs = total_params + params, total_macs + macs
            settings = ", ".join(f"{key}={value}" for key, value in row.settings)
            shape = "x".join(map(str, graph.output_shape))
            yield name, row.kind, settings, shape, f"{params:,}", f"{macs:,}"
        yield "total", "", "", "", f"{total_params:,}", f"{total_macs:,}"

    def _repr_html_(self) -> Html:
        label = f"{self.name or self.hash[:12]}: {self.resolution} px"
        return table(COLUMNS, self._summary(), left=3, caption=label)

    def __repr__(self) -> str:
        rows = sum(1 for _ in self.rows())
        size = "x".join(map(str, self.input_shape))
        return (
            f"<Architecture {self.name or self.hash[:12]!r}: input {size}, {rows} rows, "
            f"{len(self.stages)} stages>"
        )

    def renamed(self, name: str) -> Architecture:
        """The same network under another label."""
        return replace(self, name=name)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; see `from_dict`."""
        return {
            "format": FORMAT,
            "name": self.name,
            "channels": self.channels,
            "resolution": self.resolution,
            "stem": [_row_to_dict(row) for row in self.stem],
            "stages": [[_row_to_dict(row) for row in stage] for stage in self.stages],
            "head": [_row_to_dict(row) for row in self.head],
        }

    def to_json(self, indent: int | None = None) -> str:
        """JSON text that `from_json` reads back to an equal value."""
        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_dict(cls, data: object) -> Architecture:
        """Reads `to_dict`'s form strictly. Errors: `NasError` naming the key and the rule."""
        keys = {"format", "name", "channels", "resolution", "stem", "stages", "head"}
        if not isinstance(data, dict):
            raise NasError(f"an architecture must be a JSON object, not {type(data).__name__}")
        for key in data:
            if key not in keys:
                raise one_of("key of an architecture", key, keys)
        for key in ("resolution", "stem", "stages", "head"):
            if key not in data:
                raise NasError(f"an architecture needs the key '{key}'")
        if data.get("format", FORMAT) != FORMAT:
            given = shown(data["format"])
            raise NasError(f"architecture format {given}: this version reads {FORMAT}")
        name = data.get("name", "")
        if not isinstance(name, str):
            raise NasError(f"'name' must be text, not {shown(name)}")
        if not isinstance(data["stages"], list):
            raise NasError("'stages' must be a list of lists of rows")
        check_most("stages", len(data["stages"]), MAX_STAGES)
        parts = [data["stem"], *data["stages"], data["head"]]
        count = sum(len(rows) for rows in parts if isinstance(rows, list))
        check_most("rows", count, MAX_ROWS)
        arch = cls(
            resolution=read_resolution(data["resolution"]),
            stem=_rows(data["stem"], "stem"),
            stages=tuple(_rows(s, f"stages.{i}") for i, s in enumerate(data["stages"])),
            head=_rows(data["head"], "head"),
            channels=check_size(data.get("channels", 3), "channels"),
            name=name,
        )
        for path, graph in arch.row_graphs():  # shapes are checked here, at the edge
            for node in graph.nodes:
                check_most(f"channels of {path}", node.shape[0], MAX_CHANNELS)
                check_most(f"values of the map of {path}", prod(node.shape), MAX_MAP)
        return arch

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Reads `to_json`'s text. Errors: `NasError` for bad JSON, keys, settings or shapes."""
        check_type(text, "an architecture", "JSON text", str, bytes)
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NasError(f"not an architecture: invalid JSON: {error}") from None
        return cls.from_dict(data)


def check_architecture(arch: object, what: str) -> None:
    """Checks that `what` is given an architecture, not its name. Errors: `NasError`."""
    if not isinstance(arch, Architecture):
        raise NasError(f"{what}: {shown(arch)} is no architecture; nas.reference(name) makes one")


def with_classes(arch: Architecture, classes: int) -> Architecture:
    """The network with that number of outputs: of its last row, or of a convolution that a pooling
    follows. Errors: `NasError` where the number must change and there is no such row."""
    if arch.classes == classes:
        return arch
    rows = list(arch.head)
    last = max((i for i, row in enumerate(rows) if row.kind != "gap"), default=-1)
    if last < 0 or rows[last].kind not in ("linear", "conv"):
        ending = rows[last].kind if rows else "nothing"
        raise NasError(
            f"the network has {arch.classes} outputs, not {classes}, and ends in '{ending}': only "
            "a 'linear' row or a 'conv' is adapted"
        )
    rows[last] = rows[last].changed(out=classes)
    return replace(arch, head=tuple(rows))


def _row_graph(row: Block, shape: Shape) -> tuple[Graph, Shape]:
    graph = block_graph(row, shape)
    return graph, graph.output_shape


@lru_cache(maxsize=1 << 15)
def _row_digest(row: Block, shape: Shape) -> tuple[bytes, Shape]:
    graph = block_graph(row, shape)
    if graph.output == 0:
        return b"", graph.output_shape
    plain = [node._replace(name="") for node in graph.nodes[1:]]
    text = repr([_identity(node) for node in plain]) + repr(graph.output)
    return sha256(text.encode()).digest(), graph.output_shape


def _identity(node: Node) -> tuple[object, ...]:
    """The values of a node; of later attributes only those that are set, so that the hash of a
    network without them is what it was before there were such attributes."""
    later = zip(node._fields[FIRST_ATTRIBUTES:], node[FIRST_ATTRIBUTES:], strict=True)
    return (*node[:FIRST_ATTRIBUTES], *((k, v) for k, v in later if v != Node._field_defaults[k]))


def _row_to_dict(row: Block) -> dict[str, Any]:
    return {"kind": row.kind, **dict(row.settings)}


def _rows(data: object, where: str) -> Rows:
    if not isinstance(data, list):
        raise NasError(f"'{where}' must be a list of rows, not {type(data).__name__}")
    rows = []
    for i, row in enumerate(data):
        if not isinstance(row, dict) or not isinstance(row.get("kind"), str):
            raise NasError(f"{where}.{i}: a row must be an object with a 'kind', not {row!r:.60}")
        settings = {k: v for k, v in row.items() if k != "kind"}
        try:
            rows.append(Block(row["kind"], **settings))
        except NasError as error:
            raise NasError(f"{where}.{i}: {error}") from None
    return tuple(rows)


def check_most(what: str, count: int, most: int) -> None:
    """Checks a bound on a network from outside. Errors: `NasError` with both numbers."""
    if count > most:
        raise NasError(f"{what}: {count} is more than the {most} that a network may have")


def check_size(value: object, key: str) -> int:
    """A size from outside: a whole number of 1 to 65536. Errors: `NasError` with the value."""
    return check_whole(value, f"'{key}'", 1, MAX_SIZE)
