"""A graph as plain data: nodes of primitive operations, in execution order.

Shapes are (channels, height, width). One `conv` node is convolution + norm + activation, because
that is the one kernel that a runtime executes for it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Shape = tuple[int, int, int]
Size = int | tuple[int, int]

Op = Literal[
    "input",
    "conv",
    "linear",
    "maxpool",
    "avgpool",
    "gap",
    "add",
    "multiply",
    "zero",
    "concat",
    "concat_rows",
    "slice",
    "slice_rows",
    "swap",
    "shuffle",
    "activate",
    # Only in networks of other programs, which no builder writes:
    "deconv",
    "pad",
    "resize",
    "reshape",
    "softmax",
    "layer_norm",
    "group_norm",
    "matmul",
    "divide",
    "unread",
]
Act = Literal[
    "relu", "relu6", "hswish", "hsigmoid", "sigmoid", "silu", "gelu", "tanh", "leaky_relu"
]
ACTIVATIONS: tuple[Act, ...] = get_args(Act)


class Node(NamedTuple):
    """One operation: its inputs (indices of earlier nodes), its output shape and its attributes.

    `branches` above 0 is a re-parameterised convolution: see `Builder.conv`.
    `after` is the padding below and to the right where it is not `padding`, which is that above and
    to the left; `slope` that of a leaky ReLU; `fill` what a pad adds, and what a layer norm, which
    is over the channels of each position, or a group norm, which is over the channels of each of
    its `groups` and all positions, adds to the variance; `mode` how a resize computes values
    ("nearest", "linear", or "corners": linear with corners aligned), what a pad repeats instead
    ("edge" or "reflect") and the name of an operation that was not read, of which only the shape is
    known. Averages are over padded zeros too if they are `counted`. A softmax is over the dimension
    `start`; a matmul is of matrices (height, width), one for each channel.
    """

    op: Op
    name: str
    inputs: tuple[int, ...]
    shape: Shape
    kernel: tuple[int, int] = (1, 1)
    stride: Size = 1
    padding: tuple[int, int] = (0, 0)
    groups: int = 1
    norm: bool = False
    act: Act | None = None
    bias: bool = False
    start: int = 0
    ceil: bool = False
    branches: int = 0
    after: tuple[int, int] | None = None
    dilation: tuple[int, int] = (1, 1)
    mode: str = ""
    slope: float = 0.01
    fill: float = 0.0
    counted: bool = True

    @property
    def strides(self) -> tuple[int, int]:
        """Vertical and horizontal stride."""
        return pair(self.stride)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Padding above, to the left, below, to the right."""
        return (*self.padding, *(self.after or self.padding))


new = tuple.__new__  # makes a named tuple of all its fields, in half the time of a call
# What a builder gives no node: the defaults of the attributes after `ceil`.
LATER = tuple(Node._field_defaults[k] for k in Node._fields[Node._fields.index("ceil") + 1 :])


class Graph(NamedTuple):
    """Nodes in execution order. Node 0 is the input; `output` is the index of the result, `others`
    those of further results."""

    nodes: tuple[Node, ...]
    output: int
    others: tuple[int, ...] = ()

    @property
    def input_shape(self) -> Shape:
        return self.nodes[0].shape

    @property
    def output_shape(self) -> Shape:
        return self.nodes[self.output].shape


def pair(size: Size) -> tuple[int, int]:
    """Both sides of a size."""
    return (size, size) if isinstance(size, int) else size
