"""A network that is run once: the same function, made ready in a fraction of the time.

oneDNN prepares itself for every new shape of convolution, which for a child of new widths takes
longer than to run it on some hundred images.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.torch_module import Chain

M = TypeVar("M", bound=nn.Module)


class Pointwise(nn.Module):
    """A 1x1 convolution as a matrix product over maps that are channels last in memory."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias, self.stride = conv.weight, conv.bias, conv.stride

    def forward(self, x: Tensor) -> Tensor:
        pixels = x[:, :, :: self.stride[0], :: self.stride[1]].permute(0, 2, 3, 1)
        return functional.linear(pixels, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def quickened(module: M) -> M:
    """The module, changed: 1x1 convolutions are matrix products, and every convolution before a
    norm has a bias, so that it is the same with the norm folded into it."""
    for chain in module.modules():
        conv = getattr(chain, "conv", None)
        if not isinstance(chain, Chain) or not isinstance(conv, nn.Conv2d):
            continue
        if hasattr(chain, "norm") and conv.bias is None:
            conv.bias = nn.Parameter(torch.zeros(conv.out_channels))
        if conv.kernel_size == (1, 1) and conv.groups == 1 and conv.padding == (0, 0):
            chain.conv = Pointwise(conv)
    return module


def fold(module: nn.Module) -> None:
    """Folds the norms of a module in evaluation mode into its convolutions and lets activations
    work in place."""
    for chain in module.modules():
        conv = getattr(chain, "conv", None)
        if not isinstance(chain, Chain) or not isinstance(conv, nn.Conv2d | Pointwise):
            continue
        norm, act = getattr(chain, "norm", None), getattr(chain, "act", None)
        if isinstance(norm, nn.BatchNorm2d):
            _fold(conv, norm)
            chain.norm = nn.Identity()
        if act is not None and hasattr(act, "inplace"):
            act.inplace = True


def _fold(conv: nn.Conv2d | Pointwise, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        before = norm.running_mean if conv.bias is None else norm.running_mean - conv.bias
        conv.bias = nn.Parameter(norm.bias - before * scale)
        conv.weight = nn.Parameter(conv.weight * scale.view(-1, 1, 1, 1))
