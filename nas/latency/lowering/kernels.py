"""Graph to kernels: the fused operations that an inference runtime executes for it.

What every runtime fuses is fused here: norms and clamping activations into their convolution, and
a residual addition into the convolution that makes one of its terms. Smooth activations (h-swish,
SiLU) are kernels of their own. A `Kernel` is plain data, so equal work is an equal kernel.
"""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import Literal, NamedTuple, assert_never

from nas.blocks import Block, block_graph
from nas.graph import Act, Graph, Node, Shape
from nas.graph_nodes import new

EPILOGUES: tuple[Act | None, ...] = (None, "relu", "relu6", "sigmoid", "hsigmoid")
# What takes no time, and what is not known; whoever shows a latency says that it leaves that out.
FREE = ("reshape", "unread")
KernelOp = Literal[
    "conv",
    "pointwise",
    "depthwise",
    "grouped",
    "linear",
    "maxpool",
    "avgpool",
    "gap",
    "add",
    "multiply",
    "concat",
    "slice",
    "shuffle",
    "activate",
    "norm",
    "swap",
    "zero",
    "split",
    "pad",
    "resize",
    "softmax",
    "reorder_input",
    "reorder_output",
]
Layout = Literal["", "blocked", "planar", "entry"]


class Kernel(NamedTuple):
    """One operation of a runtime. `inputs` are the shapes of the tensors that it reads.

    `residual`: a tensor of the output's shape is added before the activation; it is not among the
    inputs. `norm` kernels scale and shift, then activate. `layout` is how a runtime that knows
    several stores the tensors, "" for one that does not.
    """

    op: KernelOp
    inputs: tuple[Shape, ...]
    output: Shape
    size: tuple[int, int] = (1, 1)
    stride: int = 1
    groups: int = 1
    act: Act | None = None
    residual: bool = False
    layout: Layout = ""

    @property
    def weights(self) -> int:
        """The number of weights, biases left out."""
        if self.op in ("conv", "pointwise", "depthwise", "grouped"):
            return self.output[0] * (self.inputs[0][0] // self.groups) * prod(self.size)
        return self.output[0] * prod(self.inputs[0]) if self.op == "linear" else 0

    @property
    def macs(self) -> int:
        """Multiply-adds."""
        return self.weights * self.output[1] * self.output[2]

    @property
    def moved(self) -> int:
        """The elements read and written, weights included; times the precision it is bytes."""
        written = prod(self.output)
        if self.op == "slice":
            return 2 * written
        return sum(map(prod, self.inputs)) + written * (1 + self.residual) + self.weights


class Fusion(NamedTuple):
    """What a runtime fuses: these activations with the kernel before them, with `adds` an addition
    with a convolution, with `splits` the slices that are all of a tensor together with one another.
    What is `free` is not executed."""

    epilogues: tuple[Act | None, ...] = EPILOGUES
    splits: bool = False
    adds: bool = True
    free: tuple[KernelOp, ...] = ()


def kernels(graph: Graph, fusion: Fusion = Fusion()) -> tuple[Kernel, ...]:  # noqa: B008
    """The kernels of a graph, in execution order."""
    return tuple(chain.from_iterable(node_kernels(graph, fusion)))


def node_kernels(graph: Graph, fusion: Fusion = Fusion()) -> list[list[Kernel]]:  # noqa: B008
    """The kernels of each node of a graph but its input; none of one that another computes."""
    nodes = graph.nodes
    uses = [0] * len(nodes)
    for node in nodes:
        for j in node.inputs:
            uses[j] += 1
    executed: list[list[Kernel]] = []
    for i, node in enumerate(nodes[1:], 1):
        mine: list[Kernel] = []
        executed.append(mine)
        if node.op in FREE:
            continue
        if fusion.splits and (parts := _whole_split(node, nodes)):
            if i == parts[0]:
                whole = nodes[node.inputs[0]].shape
                mine.append(Kernel("split", (whole,), whole))
            continue
        absorber, fused = None, node.act in fusion.epilogues
        if node.op == "activate" or (node.op == "add" and fusion.adds):
            absorber = _absorber(node, nodes, uses, graph.output)
        if absorber is None:
            made = _kernel(node, nodes, node.act if fused else None)
            if made.op not in fusion.free and (made.op != "activate" or made.act is not None):
                mine.append(made)
            if node.op == "deconv":
                mine.append(spread(node))
        else:
            before = executed[absorber - 1][0]
            residual, act = before.residual or node.op == "add", node.act if fused else before.act
            executed[absorber - 1][0] = before._replace(residual=residual, act=act)
        if not fused:
            mine.append(Kernel("activate", (node.shape,), node.shape, act=node.act))
    return executed


def _whole_split(node: Node, nodes: tuple[Node, ...]) -> list[int]:
    """What reads the same tensor, where the slices among it are all of that together; else none."""
    if node.op not in ("slice", "slice_rows"):
        return []
    source, axis = node.inputs[0], 0 if node.op == "slice" else 1
    parts = [j for j, other in enumerate(nodes) for x in other.inputs if x == source]
    size = sum(nodes[j].shape[axis] for j in parts if nodes[j].op == node.op)
    return parts if len(parts) > 1 and size == nodes[source].shape[axis] else []


def row_kernels(row: Block, input_shape: Shape, fusion: Fusion = Fusion()) -> tuple[Kernel, ...]:  # noqa: B008
    """The kernels of one row of an architecture. No runtime's fusion is lost: every
    addition stands in the row of its convolution."""
    return kernels(block_graph(row, input_shape), fusion)


def _absorber(node: Node, nodes: tuple[Node, ...], uses: list[int], output: int) -> int | None:
    """The convolution whose kernel computes `node` as well, if there is one."""
    if len(node.inputs) > 2:
        return None
    for j in sorted(node.inputs, reverse=True):  # the last to be executed has the other term ready
        producer = nodes[j]
        if producer.op == "conv" and producer.act is None and uses[j] == 1 and j != output:
            return j
    return None


def _kernel(node: Node, nodes: tuple[Node, ...], act: Act | None) -> Kernel:
    inputs = tuple([nodes[j].shape for j in node.inputs])
    if node.op == "deconv":
        return transposed(node, inputs[0])._replace(act=act)
    if node.op == "matmul":
        return product(node, inputs[0])
    op = conv_kind(node, inputs[0]) if node.op == "conv" else _operation(node)
    stride, groups = widest(node), node.groups
    return new(Kernel, (op, inputs, node.shape, node.kernel, stride, groups, act, False, ""))


def widest(node: Node) -> int:
    """The larger of a node's strides."""
    return node.stride if isinstance(node.stride, int) else max(node.stride)


def transposed(node: Node, shape: Shape) -> Kernel:
    """The multiplications of a transposed convolution of an input of `shape`: one product for each
    input position, output channel and place in the window. `spread` adds them up."""
    made = node.shape[0] * prod(node.kernel)
    op: KernelOp = "pointwise" if node.groups == 1 else "grouped"
    return Kernel(op, (shape,), (made, *shape[1:]), groups=node.groups)


def product(node: Node, shape: Shape) -> Kernel:
    """A product of matrices, the first ones in a tensor of `shape`: a 1x1 convolution of rows."""
    (matrices, rows, inner), made = shape, node.shape[2]
    op: KernelOp = "pointwise" if matrices == 1 else "grouped"
    return Kernel(op, ((matrices * inner, rows, 1),), (matrices * made, rows, 1), groups=matrices)


def spread(node: Node) -> Kernel:
    """The sum of the products of a transposed convolution, place by place."""
    return Kernel("resize", (node.shape,), node.shape)


def _operation(node: Node) -> KernelOp:
    """The runtime's operation: what is the same work along another axis is the same one."""
    match node.op:
        case "activate":
            return "norm" if node.norm else "activate"
        case "concat" | "concat_rows":
            return "concat"
        case "slice" | "slice_rows":
            return "slice"
        case "linear" | "maxpool" | "avgpool" | "gap" | "add" | "multiply" as op:
            return op
        case "zero" | "swap" | "shuffle" as op:
            return op
        case "pad" | "resize" | "softmax" as op:
            return op
        case "divide":
            return "multiply"
        case "layer_norm" | "group_norm":  # these also sum, then pass over all values
            return "softmax"
        case "conv" | "deconv" | "matmul":
            raise AssertionError("depends on its input")
        case "input" | "reshape" | "unread":
            raise AssertionError(f"{node.op} is no kernel")
        case op:
            assert_never(op)


def conv_kind(node: Node, shape: Shape) -> Literal["conv", "pointwise", "depthwise", "grouped"]:
    """The operation of a convolution on an input of `shape`."""
    if node.groups == shape[0] > 1:
        return "depthwise"
    if node.groups > 1:
        return "grouped"
    return "pointwise" if node.kernel == (1, 1) else "conv"
