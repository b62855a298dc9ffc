"""A child network with the weights of its parent."""

from __future__ import annotations

from collections.abc import Iterator

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
        with torch.no_grad():
            for name, indices in kept.items():
                for key, tensor in _tensors(module, name):
                    _inherit(tensor, self.state[key], indices, groups[name])
        return module


def _tensors(module: nn.Module, name: str) -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors of a node's module, with their names in the network."""
    for own, tensor in module.get_submodule(name).state_dict().items():
        yield f"{name}.{own}", tensor


def _inherit(tensor: Tensor, parent: Tensor, kept: Kept, groups: int) -> None:
    """Fills a child's tensor with what is kept of its parent's; a window keeps its centre."""
    if tensor.ndim == 0:
        tensor.copy_(parent)
        return
    value = parent[torch.from_numpy(kept.out)]
    if tensor.ndim > 1:
        each = len(kept.inputs) // groups
        inputs = torch.from_numpy(kept.inputs % parent.shape[1])
        if groups == 1:
            value = value[:, inputs]
        else:
            own = inputs.view(groups, each).repeat_interleave(len(value) // groups, 0)
            value = value.gather(
                1, own.view(len(value), each, 1, 1).expand(-1, -1, *value.shape[2:])
            )
    for axis in range(2, tensor.ndim):
        value = value.narrow(
            axis, (value.shape[axis] - tensor.shape[axis]) // 2, tensor.shape[axis]
        )
    tensor.copy_(value)
