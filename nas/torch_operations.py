"""The operations of a graph as torch modules, one of each that are alike."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from math import prod
from typing import Any, assert_never

import torch
from torch import nn

from nas.branches import Branches
from nas.graph import Act, Node, Shape
from nas.support.errors import NasError
from nas.torch_layers import (
    Add,
    Chain,
    ChannelNorm,
    Concat,
    Divide,
    MatMul,
    MeanPool,
    Multiply,
    Reshape,
    Slice,
    Softmax,
    Swap,
    Zero,
)


def stateless(node: Node, input_shape: Shape) -> nn.Module:
    """The module of an operation without tensors, the same for all that are alike."""
    return template(node._replace(name="", inputs=()), input_shape)


@lru_cache(maxsize=8192)
def template(node: Node, input_shape: Shape) -> nn.Module:
    """The module of a node, to be copied: its weights have no memory, whoever builds one gives them
    their values. A convolution with its norm and its activation is a chain."""
    if node.op == "avgpool" and node.after and not node.counted:
        return MeanPool(node.kernel, node.strides, _widths(node))
    chain: OrderedDict[str, nn.Module] = OrderedDict()
    if node.after and node.op in ("conv", "maxpool", "avgpool"):
        fill = -torch.inf if node.op == "maxpool" else 0.0
        chain["pad"] = nn.ConstantPad2d(_widths(node), fill)
        node = node._replace(padding=(0, 0), after=None)
    core = _core(node, input_shape)
    if isinstance(core, nn.Module):
        return core
    chain |= core
    if node.norm and "norm" not in chain:
        chain["norm"] = nn.BatchNorm2d(node.shape[0])
    if node.act is not None:
        chain["act"] = activation(node.act, node.slope)
    return chain.popitem()[1] if list(chain) == ["pool"] else Chain(chain)


def _core(node: Node, input_shape: Shape) -> nn.Module | dict[str, nn.Module]:
    """The module of an operation; the named ones of what norm and activation may follow."""
    window = node.kernel, node.strides, node.padding
    dim = 2 if node.op in ("concat_rows", "slice_rows") else 1
    match node.op:
        case "conv" | "deconv":
            return {"conv": _convolution(node, input_shape[0])}
        case "linear":
            return _linear(node, input_shape)
        case "maxpool":
            dilated = (*window, node.dilation)
            return {"pool": nn.MaxPool2d(*dilated, ceil_mode=node.ceil)}
        case "avgpool":
            return {"pool": nn.AvgPool2d(*window, node.ceil, node.counted)}
        case "gap":
            return nn.AdaptiveAvgPool2d(1)
        case "add":
            return {"add": Add()}
        case "multiply":
            return Multiply()
        case "divide":
            return Divide()
        case "matmul":
            return MatMul()
        case "zero":
            return Zero()
        case "concat" | "concat_rows":
            return Concat(dim)
        case "slice" | "slice_rows":
            return Slice(node.start, node.shape[dim - 1], dim)
        case "swap":
            return Swap(node.start + 1)
        case "shuffle":
            return nn.ChannelShuffle(node.groups)
        case "pad":
            return _pad(node)
        case "resize":
            return _resize(node)
        case "reshape":
            return Reshape(node.shape)
        case "softmax":
            return Softmax(node.start + 1)
        case "layer_norm":
            return {"norm": ChannelNorm(node.shape[0], node.fill)}
        case "group_norm":
            return {"norm": nn.GroupNorm(node.groups, node.shape[0], node.fill)}
        case "activate":
            return {}
        case "unread":
            raise NasError(f"{node.mode} was not read, so the network cannot be run")
        case "input":
            raise AssertionError("a graph's input has no module")
        case op:
            assert_never(op)


def _widths(node: Node) -> tuple[int, int, int, int]:
    """The node's padding in torch's order."""
    top, left, bottom, right = node.pads
    return left, right, top, bottom


def _convolution(node: Node, channels: int) -> nn.Module:
    window = channels, node.shape[0], node.kernel, node.strides, node.padding
    more: Any = {
        "groups": node.groups,
        "bias": node.bias,
        "dilation": node.dilation,
        "device": "meta",
    }
    if node.branches:
        return Branches(*window, groups=node.groups, branches=node.branches, device="meta")
    if node.op == "conv":
        return nn.Conv2d(*window, **more)
    top, left, bottom, right = node.pads
    return nn.ConvTranspose2d(*window, (top - bottom, left - right), **more)


def _linear(node: Node, input_shape: Shape) -> dict[str, nn.Module]:
    c, features = node.shape[0], prod(input_shape)
    return {
        "flatten": nn.Flatten(),
        "linear": nn.Linear(features, c, bias=node.bias, device="meta"),
        "unflatten": nn.Unflatten(1, (c, 1, 1)),
    }


def _pad(node: Node) -> nn.Module:
    if not node.mode:
        return nn.ConstantPad2d(_widths(node), node.fill)
    kind = nn.ReflectionPad2d if node.mode == "reflect" else nn.ReplicationPad2d
    return kind(_widths(node))


def _resize(node: Node) -> nn.Module:
    linear = node.mode != "nearest"
    return nn.Upsample(
        size=node.shape[1:],
        mode="bilinear" if linear else "nearest",
        align_corners=node.mode == "corners" if linear else None,
    )


def activation(act: Act, slope: float) -> nn.Module:
    """The module of an activation; `slope` is that of a leaky ReLU."""
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
