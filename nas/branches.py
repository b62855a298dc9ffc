"""Re-parameterised convolutions in torch: trained as branches, folded into one convolution.

RepVGG (Ding et al. 2021) has one kxk branch, MobileOne (Vasu et al. 2023) several.
"""

from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.support.plain_torch import plain_torch

State = dict[str, npt.NDArray[np.float32]]


class Branches(nn.Module):
    """The sum of `branches` convolutions, a 1x1 one (unless the kernel is 1x1) and the input (where
    its shape is that of the output), each behind a norm of its own."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        *,
        groups: int,
        branches: int,
        device: str | None = None,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding, self.groups = kernel, stride, padding, groups

        def normed(kernel: tuple[int, int], padding: tuple[int, int]) -> nn.Sequential:
            conv = nn.Conv2d(
                channels, out, kernel, stride, padding, groups=groups, bias=False, device=device
            )
            return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(out)))

        parts = OrderedDict((f"full{i}", normed(kernel, padding)) for i in range(branches))
        if kernel != (1, 1):
            parts["point"] = normed((1, 1), (0, 0))
        if channels == out and stride == (1, 1):
            parts["identity"] = nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(out)))
        self.parts = nn.ModuleDict(parts)

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.parts.values()
        total: Tensor = first(x)
        for part in others:
            total = total + part(x)
        return total

    @torch.no_grad()
    def deployed(self) -> nn.Conv2d:
        """The one convolution that computes the same in evaluation mode."""
        terms = [self._terms(part) for part in self.parts.values()]
        weight = torch.stack([weight for weight, _ in terms]).sum(0)
        bias = torch.stack([bias for _, bias in terms]).sum(0)
        channels = weight.shape[1] * self.groups
        conv = nn.Conv2d(
            channels, len(bias), self.kernel, self.stride, self.padding, groups=self.groups
        )
        conv.weight.copy_(weight)
        conv.bias.copy_(bias)  # type: ignore[union-attr]
        return conv.to(next(self.parameters())).train(self.training)

    def _terms(self, part: nn.Module) -> tuple[Tensor, Tensor]:
        """Weight and bias, in double precision, of what one part adds to the convolution."""
        norm = part.get_submodule("norm")
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - norm.running_mean.double() * scale
        if len(part._modules) > 1:
            kernel = part.get_parameter("conv.weight").double()
        else:
            each = len(scale) // self.groups  # the channels of a group: each is passed on
            kernel = torch.eye(each, dtype=scale.dtype, device=scale.device)
            kernel = kernel.repeat(self.groups, 1)[:, :, None, None]
        if kernel.shape[2:] != self.kernel:
            (rows, columns) = self.padding
            kernel = F.pad(kernel, (columns, columns, rows, rows))
        return kernel * scale[:, None, None, None], shift


@plain_torch()
def deployed(module: nn.Module) -> nn.Module:
    """The module as it is exported: a copy whose re-parameterised convolutions are one each, or the
    module itself where it has none."""
    if not any(isinstance(part, Branches) for part in module.modules()):
        return module
    module = deepcopy(module)
    for path, part in list(module.named_modules()):
        if isinstance(part, Branches):
            parent, _, name = path.rpartition(".")
            module.get_submodule(parent)._modules[name] = part.deployed()
    return module


def deployed_state(module: nn.Module) -> State:
    """The weights of the module as it is exported, by parameter name: what formats are given."""
    state = deployed(module).state_dict()
    return {name: value.detach().cpu().numpy() for name, value in state.items()}
