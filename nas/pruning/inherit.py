"""A child network with the weights of its parent."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.pruning.children import Ancestry, ChannelMap, Kept, Scores
from nas.support.plain_torch import plain_torch
from nas.torch_module import Network


class Parent(Ancestry):
    """A network whose weights children inherit: `module` has them. For `scores` see `Ancestry`."""

    def __init__(self, arch: Architecture, module: nn.Module, scores: Scores | None = None) -> None:
        super().__init__(arch, scores)
        self.state = {name: value.detach().cpu() for name, value in module.state_dict().items()}

    @plain_torch()
    def child(self, arch: Architecture, channels: ChannelMap | None = None) -> Network:
        """The child's module with the weights that it inherits, float32 on the CPU.

        `channels` are those of `channels(arch)`, where they are known. Errors: `NoChild` where the
        network is no child of this parent.
        """
        kept = self.channels(arch) if channels is None else channels
        groups = {node.name: node.groups for node in arch.graph().nodes}
        module = Network(arch)
        for name, indices in kept.items():
            for part, tensors in self._tensors[name].items():
                own = module.get_submodule(f"{name}.{part}")
                for key, tensor in tensors.items():
                    value = _inherited(tensor, indices, groups[name])
                    if value.ndim > 2:
                        value = _centre(value, getattr(own, key).shape[2:])
                    setattr(own, key, nn.Parameter(value) if key in own._parameters else value)
        return module

    @cached_property
    def _tensors(self) -> dict[str, dict[str, dict[str, Tensor]]]:
        """The tensors by node, part of its module (`conv`, `norm`, `linear`) and name."""
        found: dict[str, dict[str, dict[str, Tensor]]] = {}
        for name, tensor in self.state.items():
            node, part, key = name.rsplit(".", 2)
            found.setdefault(node, {}).setdefault(part, {})[key] = tensor
        return found


def _inherited(parent: Tensor, kept: Kept, groups: int) -> Tensor:
    """What is kept of a parent's tensor."""
    if parent.ndim == 0:
        return parent.clone()
    value = parent.index_select(0, torch.from_numpy(kept.out))
    if parent.ndim == 1:
        return value
    inputs = torch.from_numpy(kept.inputs % parent.shape[1])
    if groups == 1:
        return value.index_select(1, inputs)
    each = len(inputs) // groups
    own = inputs.view(groups, each).repeat_interleave(len(value) // groups, 0)
    return value.gather(1, own.view(len(value), each, 1, 1).expand(-1, -1, *value.shape[2:]))


def _centre(value: Tensor, window: torch.Size) -> Tensor:
    """The middle of each window, of a size that may depend on the number of channels."""
    for axis, size in enumerate(window, 2):
        value = value.narrow(axis, (value.shape[axis] - size) // 2, size)
    return value.contiguous()
