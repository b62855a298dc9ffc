"""What onnxruntime executes on a processor: convolutions on blocked channels, and reorders.

Its NCHWc transformer runs convolutions and pools on tensors whose channels are stored in blocks of
a vector's length, padded to a multiple of it. What cannot read such a tensor (a concatenation of
unaligned channels, a split, a shuffle, a gate's product) gets it reordered first. Rows are lowered
one by one; all that passes between them is whether the tensor is blocked.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal, NamedTuple, assert_never

from nas.blocks import Block, block_graph
from nas.graph import Act, Graph, Node, Shape
from nas.graph_nodes import new
from nas.latency.lowering.kernels import (
    Kernel,
    KernelOp,
    Layout,
    conv_kind,
    product,
    spread,
    transposed,
    widest,
)

BLOCKED: Final = "blocked"
PLANAR: Final = "planar"
ENTRY: Final = "entry"
ALIGNMENT = 4  # channels of a reorder are a multiple of it
FUSED = ("relu", "relu6", "sigmoid", "hsigmoid", "tanh", "leaky_relu")  # with any convolution
FUSED_BLOCKED = ("hswish",)  # with a blocked one
FUSED_LINEAR = ("relu", "sigmoid")


class Lowered(NamedTuple):
    """The kernels of a row, the layout and the shape of its output."""

    kernels: tuple[Kernel, ...]
    blocked: bool
    output: Shape


def lower_row(row: Block, input_shape: Shape, blocked: bool, block: int) -> Lowered:
    """The kernels of one row. `blocked`: the layout of its input; `block`: the channels
    of a block (16 with AVX-512, 8 with AVX2)."""
    return lower(block_graph(row, input_shape), blocked, block)


def lower(graph: Graph, blocked: bool, block: int) -> Lowered:
    """The kernels of a graph whose input is blocked or not."""
    writer = _Lowering(graph, blocked, block)
    for i in range(1, len(graph.nodes)):
        writer.node(i)
    return Lowered(tuple(writer.executed), graph.output in writer.blocked, graph.output_shape)


def lower_nodes(graph: Graph, block: int) -> list[list[Kernel]]:
    """The kernels of each node of a graph but its input, all inputs and outputs planar."""
    writer, begin = _Lowering(graph, False, block), [0]
    for i in range(1, len(graph.nodes)):
        writer.node(i)
        begin.append(len(writer.executed))
    for i in (graph.output, *graph.others):
        writer.read(i, PLANAR)
    begin[-1] = len(writer.executed)
    return [writer.executed[a:b] for a, b in pairwise(begin)]


def to_planar(shape: Shape, block: int) -> Kernel:
    """The reorder of a blocked tensor to a planar one of `shape`."""
    return Kernel("reorder_output", (padded(shape, block),), shape)


def padded(shape: Shape, block: int) -> Shape:
    """The shape as it is stored in blocks."""
    return (-(-shape[0] // block) * block, *shape[1:])


class _Lowering:
    """`blocked` holds the nodes whose tensors are made blocked, `copies` those reordered to it,
    `planar` those that exist unblocked. `home[i]` is the kernel that an addition may join: that of
    a convolution without an activation."""

    def __init__(self, graph: Graph, blocked: bool, block: int) -> None:
        self.nodes, self.block = graph.nodes, block
        planar = [node.shape for node in graph.nodes]
        blocks = [padded(shape, block) if shape[0] % block else shape for shape in planar]
        self.shapes = {BLOCKED: blocks, PLANAR: planar, ENTRY: planar}
        self.executed: list[Kernel] = []
        self.blocked = {0} if blocked else set()
        self.copies: set[int] = set()
        self.planar = set() if blocked else {0}
        self.home: dict[int, int] = {}
        self.uses = [0] * len(graph.nodes)
        self.split: set[int] = set()
        for node in graph.nodes:
            for j in node.inputs:
                self.uses[j] += 1
        for j in (graph.output, *graph.others):
            self.uses[j] += 1

    def node(self, i: int) -> None:
        node = self.nodes[i]
        match node.op:
            case "conv":
                self._conv(i, node)
            case "maxpool" | "avgpool" as op:
                self._pool(i, node, op, node.shape[0] % self.block == 0)
            case "gap":
                x = node.inputs[0]
                self._pool(i, node, "gap", x in self.blocked and node.shape[0] % self.block == 0)
            case "add":
                self._add(i, node)
            case "activate":
                self._activate(i, node)
            case "concat":
                whole = all(self.nodes[j].shape[0] % self.block == 0 for j in node.inputs)
                aligned = whole and self._are_blocked(node)
                self._emit(i, node, "concat", BLOCKED if aligned else PLANAR)
            case "multiply":
                # Gates are broadcast, which no blocked product can do.
                shapes = {self.nodes[j].shape for j in node.inputs}
                same = len(shapes) == 1 and self._are_blocked(node)
                self._emit(i, node, "multiply", BLOCKED if same else PLANAR)
            case "slice" | "slice_rows":
                self._slice(i, node)
            case "concat_rows":
                self._emit(i, node, "concat", PLANAR)
            case "linear" | "zero" | "swap" | "shuffle" as op:
                fused = node.act in FUSED_LINEAR
                self._emit(i, node, op, PLANAR, groups=node.groups, act=node.act if fused else None)
                if node.act and not fused:
                    self._plain_act(i, node.act, PLANAR)
            case "pad" | "resize" | "softmax" as op:
                self._emit(i, node, op, PLANAR)
            case "matmul":
                shape, *_ = [self.read(j, PLANAR) for j in node.inputs]
                self._append(i, product(node, shape)._replace(layout=PLANAR))
            case "divide":
                self._emit(i, node, "multiply", PLANAR)
            case "layer_norm" | "group_norm":
                self._emit(i, node, "softmax", PLANAR)
            case "deconv":
                self._deconv(i, node)
            case "reshape" | "unread":
                for j in node.inputs:
                    self.read(j, PLANAR)
                self.planar.add(i)
            case "input":
                raise AssertionError("a graph's input is no kernel")
            case op:
                assert_never(op)

    def _are_blocked(self, node: Node) -> bool:
        return all(j in self.blocked for j in node.inputs)

    def read(self, j: int, layout: Layout) -> Shape:
        """The tensor of node `j` in a layout, reordered once where it is not there yet."""
        shape = self.shapes[layout][j]
        if layout == BLOCKED and j not in self.blocked and j not in self.copies:
            self.copies.add(j)
            self.executed.append(Kernel("reorder_input", (self.nodes[j].shape,), shape))
        elif layout == PLANAR and j not in self.planar:
            self.planar.add(j)
            self.executed.append(Kernel("reorder_output", (self.shapes[BLOCKED][j],), shape))
        return shape

    def _emit(
        self,
        i: int,
        node: Node,
        op: KernelOp,
        layout: Layout,
        size: tuple[int, int] = (1, 1),
        stride: int = 1,
        groups: int = 1,
        act: Act | None = None,
    ) -> None:
        inputs = tuple([self.read(j, layout) for j in node.inputs])
        made = self.shapes[layout][i]
        self._append(i, new(Kernel, (op, inputs, made, size, stride, groups, act, False, layout)))

    def _append(self, i: int, kernel: Kernel) -> None:
        self.executed.append(kernel)
        (self.planar if kernel.layout == PLANAR else self.blocked).add(i)

    def _conv(self, i: int, node: Node) -> None:
        x = node.inputs[0]
        shape, out = self.nodes[x].shape, node.shape[0]
        kind, groups = conv_kind(node, shape), node.groups
        layout: Layout = BLOCKED
        if kind == "depthwise" and out == shape[0]:
            groups = self.shapes[BLOCKED][x][0]
            layout = BLOCKED if out % ALIGNMENT == 0 else PLANAR
        elif groups > 1:
            aligned = shape[0] // groups % self.block == 0 and out // groups % self.block == 0
            layout = BLOCKED if aligned else PLANAR
        elif shape[0] < self.block:
            layout = ENTRY
        elif shape[0] % ALIGNMENT:
            layout = PLANAR
        written: Layout = PLANAR if layout == PLANAR else BLOCKED
        act = node.act
        fused = act is None or act in FUSED or (act in FUSED_BLOCKED and written == BLOCKED)
        inputs = (self.read(x, BLOCKED if layout == BLOCKED else PLANAR),)
        made, stride, joined = self.shapes[written][i], widest(node), act if fused else None
        if act is None:
            self.home[i] = len(self.executed)
        fields = (kind, inputs, made, node.kernel, stride, groups, joined, False, layout)
        self._append(i, new(Kernel, fields))
        if act and not fused:
            self._plain_act(i, act, written)

    def _deconv(self, i: int, node: Node) -> None:
        shape = self.read(node.inputs[0], PLANAR)
        self.executed.append(transposed(node, shape)._replace(layout=PLANAR))
        self._append(i, spread(node)._replace(layout=PLANAR))
        if node.act:
            self._plain_act(i, node.act, PLANAR)

    def _pool(
        self, i: int, node: Node, op: Literal["maxpool", "avgpool", "gap"], blocked: bool
    ) -> None:
        layout: Layout = BLOCKED if blocked else PLANAR
        self._emit(i, node, op, layout, size=node.kernel, stride=widest(node))

    def _add(self, i: int, node: Node) -> None:
        if len(node.inputs) == 2:
            blocked = self._are_blocked(node)
            for n, j in enumerate(node.inputs):
                at = self.home.get(j)
                if at is None or self.uses[j] > 1:
                    continue
                if blocked == (self.executed[at].layout == PLANAR):
                    continue
                if not blocked:
                    self.read(node.inputs[1 - n], PLANAR)
                self._join(i, at, node.act)
                return
        layout: Layout = BLOCKED if self._are_blocked(node) else PLANAR
        shape = self.shapes[layout][i]
        for j in node.inputs:
            self.read(j, layout)
        for _ in node.inputs[1:]:
            self._append(i, Kernel("add", (shape, shape), shape, layout=layout))
        if node.act:
            self._plain_act(i, node.act, layout)

    def _join(self, i: int, at: int, act: Act | None) -> None:
        """A convolution that adds its other term itself; it runs where the addition stood."""
        kernel = self.executed[at]
        planar = kernel.layout == PLANAR
        fused = act == "relu" or (act in FUSED and not planar)
        self.executed[at] = kernel._replace(residual=True, act=act if fused else None)
        (self.planar if planar else self.blocked).add(i)
        if act is not None and not fused:
            self._plain_act(i, act, PLANAR if planar else BLOCKED)

    def _activate(self, i: int, node: Node) -> None:
        x = node.inputs[0]
        if node.norm and x in self.blocked:
            shape = self.read(x, BLOCKED)
            scale = Kernel("depthwise", (shape,), shape, groups=shape[0], layout=BLOCKED)
            shift = Kernel("add", (node.shape,), node.shape, layout=PLANAR)
            self.executed += [scale, to_planar(node.shape, self.block), shift]
        elif node.norm:
            self.executed.append(Kernel("multiply", (node.shape,), node.shape, layout=PLANAR))
            self.executed.append(Kernel("add", (node.shape,), node.shape, layout=PLANAR))
        layout: Layout = BLOCKED if x in self.blocked and not node.norm else PLANAR
        (self.blocked if layout == BLOCKED else self.planar).add(i)
        if node.act:
            self._plain_act(i, node.act, layout)

    def _plain_act(self, i: int, act: Act, layout: Layout) -> None:
        """An activation of its own."""
        shape = self.shapes[layout][i]
        self.executed.append(Kernel("activate", (shape,), shape, act=act, layout=layout))

    def _slice(self, i: int, node: Node) -> None:
        """Slices that are all of a tensor together are one split of it."""
        x = node.inputs[0]
        shape = self.read(x, PLANAR)
        self.planar.add(i)
        if x in self.split:
            return
        axis = 1 if node.op == "slice_rows" else 0
        parts = [n for n in self.nodes if n.op == node.op and n.inputs == (x,)]
        if len(parts) > 1 and sum(n.shape[axis] for n in parts) == shape[axis]:
            self.split.add(x)
            kernel = Kernel("split", (shape,), shape, layout=PLANAR)
        else:
            kernel = Kernel("slice", (shape,), node.shape, layout=PLANAR)
        self.executed.append(kernel)
