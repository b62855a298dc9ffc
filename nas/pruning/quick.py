"""A network that is run once: the same function, made ready in a fraction of the time.

To build a module takes as long as to run a small one on a hundred images, and so does what oneDNN
prepares for every new shape of convolution. Here a network is functions of tensors: 1x1
convolutions are matrix products over maps that are channels last in memory, and a norm is folded
into its layer as soon as its statistics are known. The products are numpy's: its OpenBLAS has
AVX-512 kernels for every processor that has the instructions, torch's MKL for Intel's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from nas.architecture import Architecture
from nas.graph import Act, Graph, Node, Shape
from nas.pruning.flow import is_depthwise
from nas.torch_operations import activation, stateless

Parts = Mapping[str, Mapping[str, Tensor]]  # by part of a node (`conv`, `norm`) and name
Tensors = Mapping[str, Parts]  # by node
CACHE = 1 << 22  # bytes of the largest map of those images that pass a row together
MEMORY = 1 << 28  # bytes of the largest map between rows
TOGETHER = 512  # images at most that pass a row together
EPS = 1e-5  # of the norms, as everywhere


class Layer:
    """A node with tensors. The first images that pass it give its norm the statistics."""

    def __init__(self, node: Node, inputs: Shape, tensors: Parts) -> None:
        core = tensors.get(node.op, {})
        self.weight, self.bias = core.get("weight"), core.get("bias")
        if self.weight is not None and node.op == "conv" and inputs[1:] == node.shape[1:] == (1, 1):
            node, self.weight = _of_one_pixel(node, self.weight)
        self.node, self.norm = node, tensors.get("norm")
        self.act = None if node.act is None else _in_place(node.act, node.slope)
        one = node.op == "conv" and (node.kernel, node.pads) == ((1, 1), (0, 0, 0, 0))
        self.strides = node.strides if one and node.stride != 1 else None
        self.pointwise = one and node.groups == 1
        self.scaling = node.op == "activate" or (one and is_depthwise(node, inputs[0]))
        if self.weight is not None and self.pointwise:
            self.weight = self.weight.flatten(1)

    def __call__(self, x: Tensor) -> Tensor:
        y = self._linear(x)
        if self.norm is not None:
            y = self._settled(y, self.norm)
        return y if self.act is None else self.act(y)

    def _linear(self, x: Tensor) -> Tensor:
        node, weight, bias = self.node, self.weight, self.bias
        if self.strides:
            x = x[:, :, :: self.strides[0], :: self.strides[1]]
        if weight is None:
            return x
        if self.pointwise:
            pixels = x.permute(0, 2, 3, 1)
            rows = pixels.reshape(-1, weight.shape[1])
            y = torch.from_numpy(rows.numpy() @ weight.numpy().T)
            y = y if bias is None else y.add_(bias)
            return y.view(*pixels.shape[:3], -1).permute(0, 3, 1, 2)
        if self.scaling:
            y = x * weight.view(-1, 1, 1)
            return y if bias is None else y.add_(bias.view(-1, 1, 1))
        if node.op == "linear":
            return functional.linear(x.flatten(1), weight, bias)[:, :, None, None]
        padding = node.padding
        if node.after:
            top, left, bottom, right = node.pads
            x, padding = functional.pad(x, (left, right, top, bottom)), (0, 0)
        return functional.conv2d(x, weight, bias, node.strides, padding, node.dilation, node.groups)

    def _settled(self, y: Tensor, norm: Mapping[str, Tensor]) -> Tensor:
        """The outputs normalised; later ones are by themselves."""
        mean, variance = statistics(y)
        scale = norm["weight"] * torch.rsqrt(variance + EPS)
        shift = norm["bias"] - mean * scale
        self.norm, pixels = None, y.permute(0, 2, 3, 1)
        if self.weight is None:  # `y` is what the norm got, which others may read
            self.weight, self.bias = scale, shift
            return torch.addcmul(shift, pixels, scale).permute(0, 3, 1, 2)
        self.weight *= scale.view(-1, *[1] * (self.weight.ndim - 1))
        self.bias = shift if self.bias is None else self.bias * scale + shift
        torch.addcmul(shift, pixels, scale, out=pixels)
        return y


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the variance of each channel, as a norm keeps them."""
    count = x.numel() // x.shape[1]
    mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)
    return mean, variance * (count / max(count - 1, 1))


def _of_one_pixel(node: Node, weight: Tensor) -> tuple[Node, Tensor]:
    """A convolution from one pixel to one: all the window's other taps read padding."""
    (top, left), (down, right) = node.padding, node.dilation
    if top % down or left % right:
        return node, weight
    row, column = top // down, left // right
    one = node._replace(kernel=(1, 1), stride=1, padding=(0, 0), after=None)
    return one, weight[:, :, row : row + 1, column : column + 1]


class Branched:
    """A re-parameterised convolution: branches for the first images, then the layer that these fold
    into. Each has tensors of its own, such as `conv.parts.point.norm`."""

    def __init__(self, node: Node, inputs: Shape, tensors: Parts) -> None:
        self.node, self.inputs = node, inputs
        self.one: Layer | None = None
        names = sorted({name.rpartition(".")[0] for name in tensors})
        self.branches = [self._branch(tensors, name) for name in names]

    def _branch(self, tensors: Parts, name: str) -> Layer:
        node, conv = self.node._replace(branches=0, act=None), tensors.get(f"{name}.conv")
        if conv is None:
            node = node._replace(op="activate")
        elif conv["weight"].shape[2:] == (1, 1):
            node = node._replace(kernel=(1, 1), padding=(0, 0))
        return Layer(node, self.inputs, {"conv": conv or {}, "norm": tensors[f"{name}.norm"]})

    def __call__(self, x: Tensor) -> Tensor:
        if self.one is not None:
            return self.one(x)
        outputs = [branch(x) for branch in self.branches]
        self.one = Layer(self.node, self.inputs, {"conv": self._folded()})
        y = outputs[0]
        for other in outputs[1:]:
            y = y + other
        return y if self.one.act is None else self.one.act(y)

    def _folded(self) -> Mapping[str, Tensor]:
        """Weight and bias of the one convolution, once the branches' norms are settled."""
        node, out, each = self.node, self.node.shape[0], self.inputs[0] // self.node.groups
        weight, bias = torch.zeros(out, each, *node.kernel), torch.zeros(out)
        for branch in self.branches:
            own = branch.weight
            assert own is not None
            assert branch.bias is not None
            if own.ndim == 1:  # of the input, channel by channel
                own = own[:, None] * torch.eye(each).repeat(node.groups, 1)
            own = own.reshape(out, each, *(own.shape[2:] or (1, 1)))
            rows, columns = own.shape[2:]
            rows, columns = (node.kernel[0] - rows) // 2, (node.kernel[1] - columns) // 2
            weight += functional.pad(own, (columns, columns, rows, rows))
            bias += branch.bias
        return {"weight": weight, "bias": bias}


class Row:
    """A row of a network; `largest` and `output` are bytes of maps of an image."""

    def __init__(self, path: str, graph: Graph, tensors: Tensors) -> None:
        self._steps: list[tuple[Callable[..., Tensor], tuple[int, ...], list[int]]] = []
        self._result = graph.output
        last_use = {j: i for i, node in enumerate(graph.nodes) for j in node.inputs}
        for i, node in enumerate(graph.nodes[1:], start=1):
            own = tensors.get(f"{path}.{node.name}")
            shape = graph.nodes[node.inputs[0]].shape
            step: Callable[..., Tensor]
            if own is None:
                step = stateless(node, shape).forward
            else:
                step = (Branched if node.branches else Layer)(node, shape, own)
            unused = {j for j in node.inputs if last_use[j] == i and j != graph.output}
            self._steps.append((step, node.inputs, [*unused]))
        self.largest = 4 * max(prod(node.shape) for node in graph.nodes)
        self.output = 4 * prod(graph.output_shape)

    def __call__(self, x: Tensor) -> Tensor:
        values: list[Tensor | None] = [x]
        for step, inputs, unused in self._steps:
            values.append(step(*[values[i] for i in inputs]))
            for i in unused:
                values[i] = None
        result = values[self._result]
        assert result is not None
        return result

    @property
    def together(self) -> int:
        """How many images at once stay in the processor's cache: a power of 2."""
        return 1 << (min(max(CACHE // self.largest, 1), TOGETHER).bit_length() - 1)


class QuickNetwork:
    """A network of the tensors of an `Architecture`, which are the caller's no more: float32 on the
    CPU. It takes (N, channels, H, W) and gives (N, classes)."""

    def __init__(self, arch: Architecture, tensors: Tensors) -> None:
        self._rows = [Row(path, graph, tensors) for path, graph in arch.row_graphs()]
        self._most = max(1, MEMORY // max(row.output for row in self._rows))

    def settle(self, images: Tensor) -> Tensor:
        """The logits of the first images, of which the norms take their statistics."""
        return _through(self._rows, _channels_last(images)).flatten(1)

    def __call__(self, images: Tensor) -> Tensor:
        """The logits of any images after those. Memory does not grow with their number."""
        parts = images.split(self._most)
        return torch.cat([self._run(_channels_last(part)) for part in parts])

    def _run(self, x: Tensor) -> Tensor:
        for together, rows in groupby(self._rows, lambda row: row.together):
            same = [*rows]
            x = torch.cat([_through(same, part) for part in x.split(together)])
        return x.flatten(1)


@lru_cache
def _in_place(act: Act, slope: float) -> Callable[[Tensor], Tensor]:
    module = activation(act, slope)
    if hasattr(module, "inplace"):
        vars(module)["inplace"] = True
    return module.forward


def _through(rows: Sequence[Row], x: Tensor) -> Tensor:
    for row in rows:
        x = row(x)
    return x


def _channels_last(x: Tensor) -> Tensor:
    """Of one channel too, of which torch otherwise takes the memory for any format."""
    return torch.empty(x.shape, memory_format=torch.channels_last).copy_(x)
