"""A network as plain data: nodes of primitive operations with inferred, checked shapes.

A network is written once, with a `Builder`; costs, latency kernels, the torch module and the ONNX
model are all read off the resulting `Graph`. This module needs neither torch nor onnx.
"""

from __future__ import annotations

from typing import Literal

from nas.graph_nodes import ACTIVATIONS, LATER, Act, Graph, Node, Op, Shape, Size, new, pair
from nas.support.errors import ShapeError, one_of

__all__ = ["ACTIVATIONS", "Act", "Builder", "Graph", "Node", "Op", "Shape", "Size"]


def _known(act: str | None) -> Act | None:
    """The activation itself. Errors: `NasError` with the nearest name."""
    if act is not None and act not in ACTIVATIONS:
        raise one_of("activation", act, ACTIVATIONS)
    return act


class Builder:
    """Writes a `Graph`, one call a node. Every call takes and returns node indices.

    Errors: `ShapeError`, naming the operation and the shapes, as soon as a node cannot be.
    """

    def __init__(self, input_shape: Shape) -> None:
        if min(input_shape) < 1:
            raise ShapeError(f"input: shape {input_shape} has a dimension below 1")
        self._nodes: list[Node] = [Node("input", "input", (), input_shape)]
        self._names: dict[str, int] = {}

    def shape(self, x: int) -> Shape:
        """The (channels, height, width) of node `x`."""
        return self._nodes[x].shape

    def channels(self, x: int) -> int:
        """The number of channels of node `x`."""
        return self._nodes[x].shape[0]

    def finish(self, output: int) -> Graph:
        """The graph whose result is node `output`."""
        return Graph(tuple(self._nodes), output)

    def conv(
        self,
        x: int,
        out: int,
        *,
        kernel: Size = 1,
        stride: int = 1,
        padding: Size | None = None,
        groups: int = 1,
        norm: bool = True,
        act: str | None = "relu",
        bias: bool | None = None,
        branches: int = 0,
        name: str = "conv",
    ) -> int:
        """Convolution, then batch norm (if `norm`), then activation: one kernel of the runtime.

        Unless given, `padding` is k//2 and `bias` is present exactly where there is no norm.
        `branches` above 0 re-parameterises it: it is trained as that many convolutions, a 1x1 one
        and, where the shapes allow it, the input itself, each with a norm of its own, and summed.
        What is counted, timed and exported is the one convolution with a bias that they fold into.
        """
        shape = self._nodes[x].shape
        k = (kernel, kernel) if isinstance(kernel, int) else kernel
        p = (k[0] // 2, k[1] // 2) if padding is None else pair(padding)
        if groups < 1 or shape[0] % groups or out % groups:
            raise ShapeError(
                f"conv: groups={groups} must divide the channels of {shape} and the {out} outputs"
            )
        known = _known(act)
        if branches and (p != (k[0] // 2, k[1] // 2) or k[0] % 2 == 0 or k[1] % 2 == 0):
            raise ShapeError(f"conv: branches need an odd kernel and its half as padding, not {k}")
        if branches:
            norm = False
        if bias is None or branches:
            bias = not norm
        result = self._window("conv", shape, out, k, stride, p)
        i = self._add("conv", name, (x,), result, k, stride, p, groups, norm, known, bias)
        if branches:
            self._nodes[i] = self._nodes[i]._replace(branches=branches)
        return i

    def depthwise(
        self,
        x: int,
        *,
        kernel: Size = 3,
        stride: int = 1,
        act: str | None = "relu",
        name: str = "depthwise",
    ) -> int:
        """Depthwise convolution + norm + activation: one filter a channel."""
        c = self._nodes[x].shape[0]
        return self.conv(x, c, kernel=kernel, stride=stride, groups=c, act=act, name=name)

    def maxpool(
        self, x: int, *, kernel: Size = 3, stride: int = 2, padding: Size = 1, ceil: bool = False
    ) -> int:
        """Max pooling; `ceil` rounds the output size up."""
        return self._pool("maxpool", x, kernel, stride, padding, ceil)

    def avgpool(self, x: int, *, kernel: Size = 3, stride: int = 2, padding: Size = 1) -> int:
        """Average pooling; padded zeros count in the average."""
        return self._pool("avgpool", x, kernel, stride, padding, False)

    def _pool(
        self,
        op: Literal["maxpool", "avgpool"],
        x: int,
        kernel: Size,
        stride: int,
        padding: Size,
        ceil: bool,
    ) -> int:
        shape, k, p = self._nodes[x].shape, pair(kernel), pair(padding)
        if 2 * p[0] > k[0] or 2 * p[1] > k[1]:
            raise ShapeError(f"{op}: padding {p} is more than half the kernel {k}, input {shape}")
        result = self._window(op, shape, shape[0], k, stride, p, ceil)
        return self._add(op, op, (x,), result, k, stride, p, ceil=ceil)

    def gap(self, x: int) -> int:
        """Global average pooling: (C, H, W) to (C, 1, 1)."""
        return self._add("gap", "gap", (x,), (self._nodes[x].shape[0], 1, 1))

    def linear(
        self, x: int, out: int, *, bias: bool = True, act: str | None = None, name: str = "linear"
    ) -> int:
        """Flatten, then a fully connected layer and an activation: (C, H, W) to (out, 1, 1)."""
        if out < 1:
            raise ShapeError(f"linear: {out} outputs from {self._nodes[x].shape}; at least 1")
        return self._add("linear", name, (x,), (out, 1, 1), act=_known(act), bias=bias)

    def add(self, *xs: int, act: str | None = None) -> int:
        """Element-wise sum of equal shapes, then an activation."""
        known, shape = _known(act), self._nodes[xs[0]].shape
        for x in xs[1:]:
            if self._nodes[x].shape != shape:
                raise ShapeError(f"add: {shape} and {self._nodes[x].shape} differ")
        return self._add("add", "add", xs, shape, act=known)

    def multiply(self, x: int, gate: int) -> int:
        """Element-wise product; each dimension of `gate` equals that of `x` or is 1."""
        shape, other = self._nodes[x].shape, self._nodes[gate].shape
        if any(g not in (1, s) for s, g in zip(shape, other, strict=True)):
            raise ShapeError(f"multiply: {other} does not broadcast to {shape}")
        return self._add("multiply", "multiply", (x, gate), shape)

    def zero(self, x: int) -> int:
        """Zeros of the shape of `x`."""
        return self._add("zero", "zero", (x,), self._nodes[x].shape)

    def concat(self, *xs: int, rows: bool = False) -> int:
        """Concatenation of channels, or of `rows`; the other two dimensions must be equal."""
        axis, others = (1, "channels or width") if rows else (0, "height or width")
        shapes = [self._nodes[x].shape for x in xs]
        first = shapes[0]
        for shape in shapes[1:]:
            if shape[1 - axis] != first[1 - axis] or shape[2] != first[2]:
                raise ShapeError(f"concat: {first} and {shape} differ in {others}")
        total = sum(shape[axis] for shape in shapes)
        if rows:
            return self._add("concat_rows", "concat", xs, (first[0], total, first[2]))
        return self._add("concat", "concat", xs, (total, *first[1:]))

    def split(self, x: int, *sizes: int, rows: bool = False) -> tuple[int, ...]:
        """Consecutive ranges of channels, or of `rows`; the `sizes` must add up to all of them."""
        shape, (axis, what) = self._nodes[x].shape, (1, "rows") if rows else (0, "channels")
        if sum(sizes) != shape[axis] or min(sizes) < 1:
            raise ShapeError(f"split: {sizes} must be positive and add up to the {what} of {shape}")
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        return tuple(self._slice(x, a, n, rows) for a, n in zip(starts, sizes, strict=True))

    def crop(self, x: int, channels: int) -> int:
        """The first `channels` channels; `x` itself where that is all of them."""
        shape = self._nodes[x].shape
        if not 1 <= channels <= shape[0]:
            raise ShapeError(f"crop: {channels} channels of {shape}")
        return x if channels == shape[0] else self._slice(x, 0, channels)

    def _slice(self, x: int, start: int, size: int, rows: bool = False) -> int:
        c, h, w = self._nodes[x].shape
        if rows:
            return self._add("slice_rows", "slice", (x,), (c, size, w), start=start)
        return self._add("slice", "slice", (x,), (size, h, w), start=start)

    def swap(self, x: int, first: int) -> int:
        """Swaps adjacent axes: channels and height (`first` 0) or height and width (1)."""
        c, h, w = self._nodes[x].shape
        if first not in (0, 1):
            raise ShapeError(f"swap: first axis {first} of {(c, h, w)} must be 0 or 1")
        return self._add("swap", "swap", (x,), (h, c, w) if first == 0 else (c, w, h), start=first)

    def shuffle(self, x: int, groups: int) -> int:
        """Channel shuffle (ShuffleNet): channels as (groups, n) become (n, groups)."""
        shape = self._nodes[x].shape
        if groups < 1 or shape[0] % groups:
            raise ShapeError(f"shuffle: groups={groups} must divide the channels of {shape}")
        return self._add("shuffle", "shuffle", (x,), shape, groups=groups)

    def activate(self, x: int, act: str | None = "relu", *, norm: bool = False) -> int:
        """A norm and an activation of their own, for pre-activation networks."""
        shape = self._nodes[x].shape
        return self._add("activate", "activate", (x,), shape, norm=norm, act=_known(act))

    def squeeze_excite(
        self, x: int, reduced: int, *, act: str = "relu", gate: str = "hsigmoid"
    ) -> int:
        """Squeeze-and-excitation (Hu 2018): x times gate(conv(act(conv(gap(x)))))."""
        squeezed = self.conv(self.gap(x), reduced, norm=False, act=act, name="se_reduce")
        weights = self.conv(squeezed, self.channels(x), norm=False, act=gate, name="se_expand")
        return self.multiply(x, weights)

    def _window(
        self,
        op: Op,
        shape: Shape,
        out: int,
        k: tuple[int, int],
        stride: int,
        p: tuple[int, int],
        ceil: bool = False,
    ) -> Shape:
        if out < 1 or stride < 1 or k[0] < 1 or k[1] < 1:
            raise ShapeError(f"{op}: {out} channels, kernel {k}, stride {stride}: each at least 1")
        if p[0] < 0 or p[1] < 0:
            raise ShapeError(f"{op}: padding {p} of input {shape} is below 0")
        h, w = shape[1] + 2 * p[0] - k[0], shape[2] + 2 * p[1] - k[1]
        if h < 0 or w < 0:
            raise ShapeError(f"{op}: kernel {k} with padding {p} is larger than its input {shape}")
        if not ceil:
            return (out, h // stride + 1, w // stride + 1)
        # torch's rule: the last window must start inside the input or its leading padding.
        rows, cols = -(-h // stride) + 1, -(-w // stride) + 1
        rows -= (rows - 1) * stride >= shape[1] + p[0]
        cols -= (cols - 1) * stride >= shape[2] + p[1]
        return (out, rows, cols)

    def _add(
        self,
        op: Op,
        name: str,
        inputs: tuple[int, ...],
        shape: Shape,
        kernel: tuple[int, int] = (1, 1),
        stride: int = 1,
        padding: tuple[int, int] = (0, 0),
        groups: int = 1,
        norm: bool = False,
        act: Act | None = None,
        bias: bool = False,
        start: int = 0,
        ceil: bool = False,
    ) -> int:
        nodes, names = self._nodes, self._names
        n = names[name] = names.get(name, 0) + 1
        fresh = name if n == 1 else f"{name}{n}"
        first = (op, fresh, inputs, shape, kernel, stride, padding, groups, norm, act, bias)
        nodes.append(new(Node, first + (start, ceil) + LATER))  # noqa: RUF005 (stars make a list)
        return len(nodes) - 1
