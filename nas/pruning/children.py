"""Which channels of its parent a child network has.

A child is its parent with channels, blocks or resolution taken away: the same rows, perhaps
narrower, a block that is left out standing as the identity (`skip`). Which channels it has is not
said in it. They are chosen among those that may stand for them (see `nas.pruning.channels`), the
most important first, and keep their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.architecture import Architecture, Rows
from nas.blocks import Block, block_graph
from nas.graph import Graph, Node, Shape
from nas.pruning.channels import OUTPUT, Coupling, Labels, Site, coupling
from nas.pruning.flow import adds_input
from nas.support.errors import NasError

MOST_KNOWN = 64  # sets of left-out rows of which the classes are kept in memory
Scores = Mapping[str, NDArray[np.float64]]


class Kept(NamedTuple):
    """What a node of the child has of the parent's: its output channels, and its inputs, which are
    channels of a convolution or of a norm, and features of a linear layer; both are indices."""

    out: NDArray[np.int64]
    inputs: NDArray[np.int64]


ChannelMap = dict[str, Kept]  # by the name of each node that has tensors


class Classes(NamedTuple):
    """The classes of a parent's channels, with the signature of each and its place in the order."""

    coupled: Coupling
    signatures: NDArray[np.uint64]
    order: NDArray[np.float64]


class NoChild(NasError):
    """A network that cannot inherit the parent's weights."""


class Ancestry:
    """A parent network, as far as its children's channels depend on it.

    scores: the importance of each output channel of conv and linear nodes by name, higher is kept;
    a node without scores has no say. A class's score is the mean over its channels, after each
    node's scores are divided by their mean size.
    """

    def __init__(self, arch: Architecture, scores: Scores | None = None) -> None:
        self.arch, self.scores = arch, dict(scores or {})
        self._known: dict[tuple[Rows, frozenset[str]], Classes] = {}

    @cached_property
    def groups(self) -> dict[str, int]:
        """The number of groups of each convolution."""
        return {node.name: node.groups for node in self.arch.graph().nodes if node.op == "conv"}

    def channels(self, child: Architecture) -> ChannelMap:
        """Which of the parent's channels a child has. Errors: `NoChild`, naming the row or node."""
        check_rows(self.arch, child)
        graph = child.graph()
        whole = frozenset(
            node.name
            for node in graph.nodes
            if node.op == "conv" and node.groups != self.groups[node.name]
        )
        ours, signatures, order = self._classes(_skipped(self.arch, child), whole)
        theirs = coupling(graph, whole)
        matched = _matched(signatures, theirs.signatures(), order)
        if isinstance(matched, int):
            raise NoChild(f"{_where(theirs, matched)} has more channels than the parent's")
        return {
            name: _kept(name, ours.sites[name], site, matched)
            for name, site in theirs.sites.items()
            if name != OUTPUT
        }

    def _classes(self, skipped: Architecture, whole: frozenset[str]) -> Classes:
        """The classes of the parent with some rows left out, and their order."""
        key = tuple(skipped.rows()), whole
        if key not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.pop(next(iter(self._known)))
            coupled = coupling(skipped.graph(), whole)
            order = -self.importance(coupled)
            self._known[key] = Classes(coupled, coupled.signatures(), order)
        return self._known[key]

    def whole_network(self) -> tuple[Coupling, NDArray[np.float64]]:
        """The parent's own classes and their scores."""
        classes = self._classes(self.arch, frozenset())
        return classes.coupled, -classes.order

    def importance(self, coupled: Coupling) -> NDArray[np.float64]:
        """The score of each class."""
        total, count = np.zeros(coupled.classes), np.zeros(coupled.classes)
        for name, values in self.scores.items():
            site = coupled.sites.get(name)
            if site is not None and site.out is not None:
                np.add.at(total, site.out, values / (np.abs(values).mean() or 1.0))
                np.add.at(count, site.out, 1)
        return total / np.maximum(count, 1)


def with_rows(arch: Architecture, rows: Sequence[Block]) -> Architecture:
    """The network with other rows, as many in each part."""
    parts, first = [], 0
    for part in (arch.stem, *arch.stages, arch.head):
        parts.append(tuple(rows[first : first + len(part)]))
        first += len(part)
    return replace(arch, stem=parts[0], stages=tuple(parts[1:-1]), head=parts[-1])


def _skipped(parent: Architecture, child: Architecture) -> Architecture:
    """The parent without the rows that the child leaves out.

    Through a row's own channels those of its input may go together, which without it they do not.
    """
    rows, shape, other = [], parent.input_shape, child.input_shape
    for row, kept in zip(parent.rows(), child.rows(), strict=True):
        graph, theirs = block_graph(row, shape), block_graph(kept, other)
        left_out = theirs.output == 0 and graph.output != 0
        rows.append(Block("skip", out=shape[0]) if left_out else row)
        shape, other = graph.output_shape, theirs.output_shape
    return with_rows(parent, rows)


def check_rows(parent: Architecture, child: Architecture) -> None:
    """Checks that each row is the parent's with fewer channels, or leaves out one that keeps its
    input's shape. Errors: `NoChild`, naming the first that is neither."""
    rows, others = tuple(parent.named_rows()), tuple(child.named_rows())
    if [path for path, _ in rows] != [path for path, _ in others]:
        raise NoChild(f"it has {len(others)} rows in other stages, the parent {len(rows)}")
    shape, other = parent.input_shape, child.input_shape
    if shape[0] != other[0]:
        raise NoChild(f"it takes {other[0]} channels, the parent {shape[0]}")
    for (path, row), (_, kept) in zip(rows, others, strict=True):
        reason, shape, other = _compared(row, shape, kept, other)
        if reason:
            raise NoChild(f"{path}: {kept} {reason} {row}")


@lru_cache(maxsize=1 << 16)
def _compared(row: Block, shape: Shape, kept: Block, other: Shape) -> tuple[str, Shape, Shape]:
    """Why a row is none of the parent's made smaller, "" where it is; both output shapes."""
    ours, theirs = block_graph(row, shape), block_graph(kept, other)
    shapes = ours.output_shape, theirs.output_shape
    if theirs.output == 0 and ours.output != 0:
        return ("" if residual(row, shape) else "leaves out what is no residual block:"), *shapes
    return different(ours, theirs), *shapes


def residual(row: Block, shape: Shape) -> bool:
    """Whether a row adds its input, unchanged, to what it computes."""
    graph = block_graph(row, shape)
    last = graph.nodes[graph.output]
    return 0 in last.inputs and (last.op == "add" or adds_input(last, shape))


def different(ours: Graph, theirs: Graph) -> str:
    """Why a row's graph is not that of another with fewer channels, "" where it is."""
    if len(ours.nodes) != len(theirs.nodes) or ours.output != theirs.output:
        return "has other operations than"
    for a, b in zip(ours.nodes[1:], theirs.nodes[1:], strict=True):
        same = (a.op, a.name, a.inputs, a.stride, a.norm, a.act, a.bias)
        if same != (b.op, b.name, b.inputs, b.stride, b.norm, b.act, b.bias):
            return "has other operations than"
        if a.op == "conv" and max(y - x for x, y in zip(a.kernel, b.kernel, strict=True)) > 0:
            return "has a larger kernel than"
        came, comes = ours.nodes[a.inputs[0]].shape, theirs.nodes[b.inputs[0]].shape
        if (a.branches, adds_input(a, came)) != (b.branches, adds_input(b, comes)):
            return "has other branches than"
        if _broadcast(ours, a) != _broadcast(theirs, b):
            return "multiplies or adds other channels than"
        if a.op == "linear" and came[1:] != comes[1:]:
            return "flattens a map of another size than"
    return ""


def _broadcast(graph: Graph, node: Node) -> list[bool]:
    """Which inputs of a sum or product have one channel that stands for all of the output's."""
    if node.op not in ("add", "multiply"):
        return []
    return [graph.nodes[at].shape[0] != node.shape[0] for at in node.inputs]


def _matched(
    ours: NDArray[np.uint64], theirs: NDArray[np.uint64], order: NDArray[np.float64]
) -> Labels | int:
    """The parent's class for each of the child's: of each signature the first ones by `order`.

    A class of the child's of whose signature the parent has too few, where there is one.
    """
    signatures, counts = np.unique(theirs, return_counts=True)
    best = np.lexsort((order, ours))
    ranked = ours[best]
    rank = np.arange(len(ranked)) - np.searchsorted(ranked, ranked)
    place = np.minimum(np.searchsorted(signatures, ranked), len(signatures) - 1)
    wanted = np.where(signatures[place] == ranked, counts[place], 0)
    kept = np.sort(best[rank < wanted])
    kept = kept[np.argsort(ours[kept], kind="stable")]
    if len(kept) < len(theirs):
        found, there = np.unique(ours[kept], return_counts=True)
        have = dict(zip(found.tolist(), there.tolist(), strict=True))
        few = next(
            s
            for s, n in zip(signatures.tolist(), counts.tolist(), strict=True)
            if have.get(s, 0) < n
        )
        return int(np.flatnonzero(theirs == np.uint64(few))[0])
    matched = np.empty(len(theirs), np.int64)
    matched[np.argsort(theirs, kind="stable")] = kept
    return matched


def _kept(name: str, ours: Site, theirs: Site, matched: Labels) -> Kept:
    inputs = _positions(name, ours.inputs, matched[theirs.inputs])
    if theirs.out is None or ours.out is None:
        return Kept(inputs, inputs)
    return Kept(_positions(name, ours.out, matched[theirs.out]), inputs)


def _positions(name: str, ours: Labels, wanted: Labels) -> Labels:
    """Where the parent's labels are those that are wanted: the n-th of a label is its n-th."""
    if len(ours) == len(wanted) and (ours == wanted).all():
        return np.arange(len(ours))
    among = np.zeros(max(ours.max(), wanted.max()) + 1, bool)
    among[wanted] = True
    here = np.flatnonzero(among[ours])
    if len(here) != len(wanted):
        raise NoChild(f"{name} takes channels that do not go together in the parent")
    found = np.empty(len(wanted), np.int64)
    found[np.argsort(wanted, kind="stable")] = here[np.argsort(ours[here], kind="stable")]
    return found


def _where(coupled: Coupling, label: int) -> str:
    """The first node that has the class, for a message."""
    for name, site in coupled.sites.items():
        if site.out is not None and label in site.out:
            return name
    return next(name for name, site in coupled.sites.items() if label in site.inputs)
