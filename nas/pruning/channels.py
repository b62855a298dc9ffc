"""Which channels of a network go together, read off its graph.

Every output channel of a convolution or linear layer, and every channel of the input, is an atom;
each axis of a tensor is labelled with the atoms along it. Walking the graph, operations pass labels
on, rearrange them or join them: an addition joins the channels that it adds, a depthwise
convolution each output with its input. Joined atoms are a *class*: they stay or go together.

Where a class reads and writes, node by node and group by group, is its *signature*. A network that
is another one with fewer channels has classes of the same signatures, fewer of them: so which
channels may stand for which follows without a word about any kind of block.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from nas.graph import Graph, Node, Shape
from nas.pruning.flow import adds_input
from nas.support.errors import NasError

Labels = NDArray[np.int64]
Axes = tuple[Labels | None, Labels | None, Labels | None]
OUTPUT = "output"  # the site that is the network's own result


class Site(NamedTuple):
    """A node whose tensors are indexed by channels: the classes of its inputs (channels of a
    convolution or a norm, features of a linear layer) and of its `out` channels, None where those
    are its inputs. `groups` are those of a convolution whose channels are counted group by group.
    """

    out: Labels | None
    inputs: Labels
    groups: int = 1


class Coupling(NamedTuple):
    """The `sites` of a graph by node name, and the number of classes. Classes are numbered in the
    order in which they first occur."""

    sites: dict[str, Site]
    classes: int

    def of(self, name: str) -> Labels:
        """The classes of a node's output channels."""
        site = self.sites[name]
        return site.inputs if site.out is None else site.out

    def signatures(self) -> NDArray[np.uint64]:
        """A number for the signature of each class."""
        found = np.zeros(self.classes, np.uint64)
        for name, site in self.sites.items():
            inputs = _keys(name, 0, len(site.inputs), site.groups)
            np.add.at(found, site.inputs, inputs)
            if site.out is not None:
                np.add.at(found, site.out, _keys(name, 1, len(site.out), site.groups))
        return found


def coupling(graph: Graph, whole: frozenset[str] = frozenset()) -> Coupling:
    """The classes of a graph's channels.

    The groups of the convolutions named in `whole` stay or go as a whole, as those of a depthwise
    one do; other convolutions keep their number of groups, and each group as many channels.
    """
    return _Walk(graph, whole).coupling()


class _Walk:
    def __init__(self, graph: Graph, whole: frozenset[str]) -> None:
        self._whole, self._count = whole, 0
        self._pairs: list[tuple[Labels, Labels]] = []
        self._sites: dict[str, Site] = {}
        values: list[Axes] = []
        for node in graph.nodes:
            inputs = [values[i] for i in node.inputs]
            shape = graph.nodes[node.inputs[0]].shape if node.inputs else node.shape
            values.append(self._node(node, inputs, shape))
        result = self._channelled(values[graph.output], graph.output_shape)
        self._sites[OUTPUT] = Site(None, result[0])

    def coupling(self) -> Coupling:
        """The result, with the numbers of classes for labels."""
        from scipy.sparse import coo_array  # slow to import
        from scipy.sparse.csgraph import connected_components

        n = self._count
        pairs = np.hstack([np.zeros((2, 0), np.int64), *map(np.stack, self._pairs)])
        joined = coo_array((np.ones(pairs.shape[1], np.int8), pairs), shape=(n, n))
        count, component = connected_components(joined, directed=False)
        first = np.full(count, n)
        np.minimum.at(first, component, np.arange(n))
        number = np.empty(count, np.int64)
        number[np.argsort(first)] = np.arange(count)
        classes = number[component]

        sites = {
            name: Site(
                None if site.out is None else classes[site.out], classes[site.inputs], site.groups
            )
            for name, site in self._sites.items()
        }
        return Coupling(sites, count)

    def _fresh(self, count: int) -> Labels:
        self._count += count
        return np.arange(self._count - count, self._count)

    def _join(self, a: Labels, b: Labels) -> None:
        if a is not b:
            self._pairs.append((a, b))

    def _node(self, node: Node, inputs: list[Axes], shape: Shape) -> Axes:
        match node.op:
            case "input":
                return self._fresh(node.shape[0]), None, None
            case "conv":
                return self._conv(node, inputs[0], shape)
            case "linear":
                features = np.repeat(self._channelled(inputs[0], shape)[0], shape[1] * shape[2])
                out = self._fresh(node.shape[0])
                self._sites[node.name] = Site(out, features)
                return out, None, None
            case "gap":
                return inputs[0][0], None, None
            case "maxpool" | "avgpool":
                return self._windowed(inputs[0][0], inputs[0], node)
            case "add" | "multiply":
                a, b, c = (self._joined(inputs, axis, node.shape[axis]) for axis in range(3))
                return a, b, c
            case "concat":
                return self._concat(inputs, 0, node.shape)
            case "concat_rows":
                return self._concat(inputs, 1, node.shape)
            case "slice":
                c, h, w = inputs[0]
                return _part(c, node.start, node.shape[0]), h, w
            case "slice_rows":
                c, h, w = inputs[0]
                return c, _part(h, node.start, node.shape[1]), w
            case "swap":
                c, h, w = inputs[0]
                return (h, c, w) if node.start == 0 else (c, w, h)
            case "shuffle":
                c, h, w = inputs[0]
                return (None if c is None else c.reshape(node.groups, -1).T.ravel()), h, w
            case "zero":
                return inputs[0]
            case "activate":
                axes = self._channelled(inputs[0], shape)
                if node.norm:
                    self._sites[node.name] = Site(None, axes[0])
                return axes
            case ("deconv" | "pad" | "resize" | "reshape" | "softmax" | "layer_norm"
                  | "group_norm" | "matmul" | "divide" | "unread") as op:  # fmt: skip
                raise NasError(f"{node.name}: {op} is not pruned through")
            case op:
                assert_never(op)

    def _channelled(self, axes: Axes, shape: Shape) -> tuple[Labels, Labels | None, Labels | None]:
        """The axes with labels for channels that have none: they were positions in the image."""
        return (self._fresh(shape[0]) if axes[0] is None else axes[0]), axes[1], axes[2]

    def _conv(self, node: Node, axes: Axes, shape: Shape) -> Axes:
        axes = self._channelled(axes, shape)
        came = axes[0]
        out, groups = self._fresh(node.shape[0]), node.groups
        if node.name in self._whole or groups == len(came) > 1:
            each = came.reshape(groups, -1)
            self._join(np.repeat(each[:, 0], each.shape[1]), came)
            self._join(np.repeat(each[:, 0], len(out) // groups), out)
            groups = 1
        if adds_input(node, shape):
            self._join(came, out)
        self._sites[node.name] = Site(out, came, groups)
        return self._windowed(out, axes, node)

    def _windowed(self, channels: Labels | None, axes: Axes, node: Node) -> Axes:
        """Labels of rows and columns stay where a window keeps their number."""
        _, h, w = axes
        return (
            channels,
            h if h is not None and len(h) == node.shape[1] else None,
            w if w is not None and len(w) == node.shape[2] else None,
        )

    def _joined(self, inputs: list[Axes], axis: int, size: int) -> Labels | None:
        """The labels along an axis of tensors that are combined; those of one that is broadcast
        along it do not count."""
        labels = [axes[axis] for axes in inputs]
        same = [each for each in labels if each is not None and len(each) == size]
        for other in same[1:]:
            self._join(same[0], other)
        return same[0] if same else None

    def _concat(self, inputs: list[Axes], axis: int, shape: Shape) -> Axes:
        parts = [axes[axis] for axes in inputs]
        known = [part for part in parts if part is not None]
        joined = [self._joined(inputs, i, shape[i]) if i != axis else None for i in range(3)]
        if len(known) == len(parts):  # beside positions in the image there is nothing to choose
            joined[axis] = np.concatenate(known)
        return joined[0], joined[1], joined[2]


def _part(labels: Labels | None, start: int, size: int) -> Labels | None:
    return None if labels is None else labels[start : start + size]


def _keys(name: str, axis: int, count: int, groups: int) -> NDArray[np.uint64]:
    """A random number, the same always, of each position: that of its group at the node."""
    base = _key(name, axis)
    if groups == 1:
        return np.full(count, base, np.uint64)
    group = np.repeat(np.arange(groups, dtype=np.uint64), count // groups)
    return np.uint64(base) * (np.uint64(2) * group + np.uint64(1))


@lru_cache(maxsize=1 << 16)
def _key(name: str, axis: int) -> int:
    digest = blake2b(f"{name} {axis}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") | 1
