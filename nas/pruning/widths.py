"""Which settings of a network's rows set channel counts, and which of them must change together.

Nothing is known of any kind of block: a whole-number setting is a width where a smaller value gives
the same operations with fewer channels. Two widths belong together where the channels that they
count do (see `nas.pruning.channels`), as those of a residual stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nas.architecture import Architecture
from nas.blocks import KINDS, Block, block_graph, make_divisible
from nas.graph import Graph, Node, Shape
from nas.pruning.channels import OUTPUT, coupling
from nas.pruning.children import different, with_rows
from nas.support.errors import NasError

SHARES = (2, 4, 3, 8, 6, 5)  # a tried value is a setting's value over one of these


class Member(NamedTuple):
    """A setting that counts channels: of which `row` (its number and path), its value, and the
    nodes of the network whose channels it counts."""

    row: int
    path: str
    setting: str
    value: int
    nodes: tuple[str, ...]


class Width(NamedTuple):
    """Settings that change together, the largest first."""

    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """The path and setting of the largest member."""
        return f"{self.members[0].path}.{self.members[0].setting}"

    @property
    def largest(self) -> int:
        """The parent's value of the largest member."""
        return self.members[0].value

    def values(self, width: int, divisor: int) -> Iterator[tuple[Member, int]]:
        """Yields each member with its value where the largest has `width`: the same share."""
        for member in self.members:
            value = min(make_divisible(member.value * width / self.largest, divisor), member.value)
            yield member, width if member.value == self.largest else value


def widths(arch: Architecture) -> list[Width]:
    """The widths of a network in the order of its rows, but for those of its outputs."""
    found: list[Member] = []
    whole: set[str] = set()
    shape = arch.input_shape
    for number, (path, row) in enumerate(arch.named_rows()):
        for setting in KINDS[row.kind].parameters:
            tried = _tried(row, setting, shape)
            if tried:
                value, nodes, regrouped = tried
                counted = tuple(f"{path}.{name}" for name in nodes)
                found.append(Member(number, path, setting, value, counted))
                whole |= {f"{path}.{name}" for name in regrouped}
        shape = block_graph(row, shape).output_shape
    coupled = coupling(arch.graph(), frozenset(whole))
    fixed = set(coupled.sites[OUTPUT].inputs.tolist())
    groups: list[tuple[list[Member], set[int]]] = []
    for member in found:
        classes = {c for name in member.nodes for c in coupled.of(name).tolist()}
        if classes & fixed:
            fixed |= classes
            continue
        joined = [group for group in groups if group[1] & classes]
        groups = [group for group in groups if group not in joined]
        members = [m for group in joined for m in group[0]]
        groups.append(([*members, member], classes.union(*(group[1] for group in joined))))
    kept = [members for members, classes in groups if not classes & fixed]
    ordered = [Width(tuple(sorted(members, key=lambda m: (-m.value, m.row)))) for members in kept]
    return sorted(ordered, key=lambda width: min((m.row, m.setting) for m in width.members))


def with_explicit(arch: Architecture) -> Architecture:
    """The same network, in which settings that count channels have the value that they stand for:
    a `hidden` of 0 may mean half of the output."""
    shape, rows = arch.input_shape, []
    for row in arch.rows():
        for setting in KINDS[row.kind].parameters:
            value = _explicit(row, setting, shape)
            if value and not row.get(setting) and _reduces(row, setting, value, shape):
                row = row.changed(**{setting: value})
        rows.append(row)
        shape = block_graph(row, shape).output_shape
    return with_rows(arch, rows)


def _tried(row: Block, setting: str, shape: Shape) -> tuple[int, list[str], list[str]] | None:
    """The value of a setting that is a width, the nodes whose own channels it counts, and those
    whose groups change with it; None where it is no width.

    A residual row keeps its operations only where its input is made narrower as well.
    """
    value = _explicit(row, setting, shape)
    if value is None or value < 2:
        return None
    graph = block_graph(row, shape)
    for share in SHARES:
        smaller, channels = max(1, value // share), max(1, shape[0] // share)
        for came in dict.fromkeys((shape, (channels, *shape[1:]))):
            tried = _graph(row, {setting: smaller}, came)
            if tried is None or different(graph, tried):
                continue
            pairs = list(zip(graph.nodes, tried.nodes, strict=True))
            if any(b.shape[0] > a.shape[0] for a, b in pairs):
                continue
            if came == shape or value == graph.output_shape[0]:
                counted = [a for a, b in pairs if _own(a, graph) and b.shape[0] < a.shape[0]]
                if not counted:
                    return None
                regrouped = [a.name for a, b in pairs if a.groups != b.groups and _own(a, graph)]
                return value, [node.name for node in counted], regrouped
    return None


def _own(node: Node, graph: Graph) -> bool:
    """Whether a node has channels of its own: not those of its input, as a depthwise one does."""
    if node.op == "conv":
        return node.groups == 1 or node.groups != graph.nodes[node.inputs[0]].shape[0]
    return node.op == "linear"


def _explicit(row: Block, setting: str, shape: Shape) -> int | None:
    """A whole-number setting's value; where 0 or None stands for one, that which it stands for."""
    parameter = KINDS[row.kind].parameters[setting]
    value = row.get(setting)
    if int not in parameter.types or isinstance(value, bool | float | str):
        return None
    if value:
        return value
    graph = block_graph(row, shape)
    for channels in sorted({node.shape[0] for node in graph.nodes}):
        if _graph(row, {setting: channels}, shape) == graph:
            return channels
    return None


def _reduces(row: Block, setting: str, value: int, shape: Shape) -> bool:
    """Whether a smaller value alone gives the same operations, none of them with more channels."""
    ours = _graph(row, {setting: value}, shape)
    fewer = (_graph(row, {setting: value // share}, shape) for share in SHARES if value >= share)
    return ours is not None and any(
        graph is not None
        and not different(ours, graph)
        and all(a.shape[0] >= b.shape[0] for a, b in zip(ours.nodes, graph.nodes, strict=True))
        and graph != ours
        for graph in fewer
    )


def _graph(row: Block, changed: dict[str, int], shape: Shape) -> Graph | None:
    try:
        return block_graph(row.changed(**changed), shape)
    except NasError:
        return None
