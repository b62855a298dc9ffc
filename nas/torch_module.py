"""Graph to torch: an `nn.Module` with readable parameter names.

`build(arch).stages[2][0].expand.conv.weight` is the weight of the convolution called `expand` in
the first row of the third stage.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from itertools import islice
from typing import Any, assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.architecture import Architecture, Rows
from nas.branches import Branches
from nas.graph import Act, Graph, Node, Shape
from nas.support.errors import NasError
from nas.support.plain_torch import plain_torch


class Add(nn.Module):
    """Sum of its inputs."""

    def forward(self, *xs: Tensor) -> Tensor:
        total = xs[0]
        for x in xs[1:]:
            total = total + x
        return total


class Multiply(nn.Module):
    """Product of a tensor and a gate."""

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        return x * gate


class MatMul(nn.Module):
    """Product of the matrices of two tensors, channel by channel."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x @ y


class Zero(nn.Module):
    """Zeros like its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.0


class Concat(nn.Module):
    """Concatenation along dimension `dim`: 1 channels, 2 rows."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *xs: Tensor) -> Tensor:
        return torch.cat(xs, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Slice(nn.Module):
    """`size` channels (or, for `dim` 2, rows) from `start` on."""

    def __init__(self, start: int, size: int, dim: int = 1) -> None:
        super().__init__()
        self.start, self.size, self.dim = start, size, dim

    def forward(self, x: Tensor) -> Tensor:
        return x.narrow(self.dim, self.start, self.size)

    def extra_repr(self) -> str:
        return f"start={self.start}, size={self.size}, dim={self.dim}"


class Swap(nn.Module):
    """Swaps dimension `dim` and the next one."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(self.dim, self.dim + 1)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(nn.Module):
    """Softmax over dimension `dim`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return x.softmax(self.dim)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Reshape(nn.Module):
    """The values of each image in another shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.shape)


class MeanPool(nn.Module):
    """Average pooling over padding (left, right, top, bottom) whose zeros do not count."""

    def __init__(
        self, kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, int, int, int]
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads = kernel, stride, pads

    def forward(self, x: Tensor) -> Tensor:
        inside = functional.pad(torch.ones_like(x[:1, :1]), self.pads)
        total, share = (
            functional.avg_pool2d(t, self.kernel, self.stride)
            for t in (functional.pad(x, self.pads), inside)
        )
        return total / share


class GraphModule(nn.Module):
    """Executes a graph node by node; every operation is a submodule under its node's name.

    Gives the result; a tuple of all results where there are several.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.outputs = (graph.output, *graph.others)
        self._plan: list[tuple[str, tuple[int, ...]]] = []
        self._free: list[tuple[int, ...]] = []
        last_use = {j: i for i, node in enumerate(graph.nodes) for j in node.inputs}
        for i, node in enumerate(graph.nodes[1:], start=1):
            self.add_module(node.name, _operation(node, graph.nodes[node.inputs[0]].shape))
            self._plan.append((node.name, node.inputs))
            unused = {j for j in node.inputs if last_use[j] == i and j not in self.outputs}
            self._free.append(tuple(unused))

    def forward(self, x: Tensor) -> Any:
        values: list[Tensor | None] = [x]
        for (name, inputs), free in zip(self._plan, self._free, strict=True):
            values.append(self._modules[name](*[values[i] for i in inputs]))  # type: ignore[misc]
            for i in free:
                values[i] = None
        results = tuple(values[i] for i in self.outputs)
        return results if len(results) > 1 else results[0]


class Network(nn.Module):
    """The module of an architecture: `stem`, `stages` and `head` of `GraphModule` rows.

    Takes (N, channels, H, W) and gives (N, classes).
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        modules = (GraphModule(graph) for _, graph in arch.row_graphs())

        def part(rows: Rows) -> nn.Sequential:
            return nn.Sequential(*islice(modules, len(rows)))

        self.stem = part(arch.stem)
        self.stages = nn.Sequential(*[part(stage) for stage in arch.stages])
        self.head = part(arch.head)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.stages(self.stem(x)))
        return logits.flatten(1)


@plain_torch()
def build(arch: Architecture, seed: int | None = None) -> Network:
    """A freshly initialised module: He initialisation by fan-out, the classifier N(0, 0.01).

    Its parameters are float32 on the CPU and can be trained, whatever torch's defaults are. With a
    `seed` they are reproducible and torch's global generator is left as it was.
    """
    if seed is None:
        return _initialise(Network(arch))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the GPUs' stay as they are
        return _initialise(Network(arch))


def _initialise(network: Network) -> Network:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network


def _operation(node: Node, input_shape: Shape) -> nn.Module:
    """The submodule of one node; a convolution with norm or activation is a small Sequential."""
    if node.op == "conv" and not node.branches:  # one template for every size and all channels
        one = node._replace(name="", inputs=(), shape=(1, 1, 1), groups=1)
        return _sized(_fresh(_template(one, (1, 1, 1))), node, input_shape[0])
    return _fresh(_template(node._replace(name="", inputs=()), input_shape))


def _fresh(module: nn.Module) -> nn.Module:
    """A copy with parameters and buffers of its own; what has no memory yet gets it.

    Building a module by its constructor takes six times as long.
    """
    copy = object.__new__(type(module))
    for name, value in vars(module).items():
        if isinstance(value, dict | set):
            value = value.copy() if value else type(value)()
        vars(copy)[name] = value
    for name, p in module._parameters.items():
        if p is not None:
            value = torch.empty(p.shape) if p.is_meta else p.detach().clone()
            copy._parameters[name] = nn.Parameter(value)
    for name, buffer in module._buffers.items():
        copy._buffers[name] = None if buffer is None else buffer.clone()
    for name, child in module._modules.items():
        copy._modules[name] = None if child is None else _fresh(child)
    return copy


def _sized(chain: nn.Module, node: Node, channels: int) -> nn.Module:
    """A convolution of one channel, with its norm, given the channels of a node; it has no values
    yet, the norm those of a fresh one."""
    conv, norm = chain._modules["conv"], chain._modules.get("norm")
    out = node.shape[0]
    assert isinstance(conv, nn.Conv2d)
    conv.in_channels, conv.out_channels, conv.groups = channels, out, node.groups
    conv.weight = nn.Parameter(torch.empty(out, channels // node.groups, *node.kernel))
    if node.bias:
        conv.bias = nn.Parameter(torch.empty(out))
    if isinstance(norm, nn.BatchNorm2d):
        norm.num_features = out
        norm.weight, norm.bias = nn.Parameter(torch.ones(out)), nn.Parameter(torch.zeros(out))
        norm.running_mean, norm.running_var = torch.zeros(out), torch.ones(out)
    return chain


@lru_cache(maxsize=8192)
def _template(node: Node, input_shape: Shape) -> nn.Module:
    """What `_operation` copies. Its weights have no memory, as `build` gives them their values."""
    c, padding = node.shape[0], node.padding
    top, left, bottom, right = node.pads
    core: OrderedDict[str, nn.Module] = OrderedDict()
    if node.after and node.op in ("conv", "maxpool", "avgpool"):
        fill = -torch.inf if node.op == "maxpool" else 0.0
        core["pad"] = nn.ConstantPad2d((left, right, top, bottom), fill)
        padding = (0, 0)
    match node.op:
        case "conv":
            window = (input_shape[0], c, node.kernel, node.strides, (padding[0], padding[1]))
            groups, device = node.groups, "meta"
            core["conv"] = (
                Branches(*window, groups=groups, branches=node.branches, device=device)
                if node.branches
                else nn.Conv2d(*window, node.dilation, groups=groups, bias=node.bias, device=device)
            )
        case "linear":
            features = input_shape[0] * input_shape[1] * input_shape[2]
            core["flatten"] = nn.Flatten()
            core["linear"] = nn.Linear(features, c, bias=node.bias, device="meta")
            core["unflatten"] = nn.Unflatten(1, (c, 1, 1))
        case "deconv":
            core["conv"] = nn.ConvTranspose2d(
                input_shape[0],
                c,
                node.kernel,
                node.strides,
                padding,
                (top - bottom, left - right),
                groups=node.groups,
                bias=node.bias,
                dilation=node.dilation,
                device="meta",
            )
        case "maxpool":
            core["pool"] = nn.MaxPool2d(
                node.kernel, node.strides, padding, node.dilation, ceil_mode=node.ceil
            )
        case "avgpool" if node.counted or not node.after:
            core["pool"] = nn.AvgPool2d(node.kernel, node.strides, padding, node.ceil, node.counted)
        case "avgpool":
            return MeanPool(node.kernel, node.strides, (left, right, top, bottom))
        case "gap":
            return nn.AdaptiveAvgPool2d(1)
        case "add":
            core["add"] = Add()
        case "multiply":
            return Multiply()
        case "matmul":
            return MatMul()
        case "zero":
            return Zero()
        case "concat":
            return Concat()
        case "concat_rows":
            return Concat(dim=2)
        case "slice":
            return Slice(node.start, c)
        case "slice_rows":
            return Slice(node.start, node.shape[1], dim=2)
        case "swap":
            return Swap(node.start + 1)
        case "shuffle":
            return nn.ChannelShuffle(node.groups)
        case "pad":
            widths = (left, right, top, bottom)
            if node.mode:
                kind = nn.ReflectionPad2d if node.mode == "reflect" else nn.ReplicationPad2d
                return kind(widths)
            return nn.ConstantPad2d(widths, node.fill)
        case "resize":
            linear = node.mode != "nearest"
            return nn.Upsample(
                size=node.shape[1:],
                mode="bilinear" if linear else "nearest",
                align_corners=node.mode == "corners" if linear else None,
            )
        case "reshape":
            return Reshape(node.shape)
        case "softmax":
            return Softmax(node.start + 1)
        case "layer_norm":
            core["norm"] = ChannelNorm(c, node.fill)
        case "unread":
            raise NasError(f"{node.mode} was not read, so the network cannot be run")
        case "activate":
            pass
        case "input":
            raise AssertionError("a graph's input has no module")
        case op:
            assert_never(op)
    if node.norm and node.op != "layer_norm":
        core["norm"] = nn.BatchNorm2d(c)
    if node.act is not None:
        core["act"] = _activation(node.act, node.slope)
    return core.popitem()[1] if list(core) == ["pool"] else Chain(core)


def _activation(act: Act, slope: float) -> nn.Module:
    match act:
        case "relu":
            return nn.ReLU()
        case "relu6":
            return nn.ReLU6()
        case "hswish":
            return nn.Hardswish()
        case "hsigmoid":
            return nn.Hardsigmoid()
        case "sigmoid":
            return nn.Sigmoid()
        case "silu":
            return nn.SiLU()
        case "gelu":
            return nn.GELU()
        case "tanh":
            return nn.Tanh()
        case "leaky_relu":
            return nn.LeakyReLU(slope)
        case other:
            assert_never(other)


class Chain(nn.Sequential):
    """Sequential whose first module may take several inputs."""

    def forward(self, *xs: Tensor) -> Tensor:
        modules = list(self)
        x: Tensor = modules[0](*xs) if modules else xs[0]
        for module in modules[1:]:
            x = module(x)
        return x
