"""A child network with the weights of its parent."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.graph import Node
from nas.pruning.children import Ancestry, ChannelMap, Kept, Scores
from nas.pruning.quick import Tensors
from nas.support.plain_torch import plain_torch
from nas.torch_module import Network

BRANCHES = ".conv.parts."  # between a node's name and that of a branch


class Parent(Ancestry):
    """A network whose weights children inherit: `module` has them. For `scores` see `Ancestry`."""

    def __init__(self, arch: Architecture, module: nn.Module, scores: Scores | None = None) -> None:
        super().__init__(arch, scores)
        state = {name: value.detach().cpu() for name, value in module.state_dict().items()}
        self._tensors = by_node(state)

    @plain_torch()
    def child(self, arch: Architecture, channels: ChannelMap | None = None) -> Network:
        """The child's module with the weights that it inherits, float32 on the CPU.

        `channels` are those of `channels(arch)`, where they are known. Errors: `NoChild` where the
        network is no child of this parent.
        """
        kept = self.channels(arch) if channels is None else channels
        return with_tensors(arch, self.tensors(arch, kept))

    def tensors(
        self, arch: Architecture, channels: ChannelMap, *, learned: bool = False
    ) -> Tensors:
        """Copies of what a child inherits, by node, part of its module (`conv`, `norm`, `linear`)
        and name: of everything, or of what was `learned` only, without the norms' statistics."""
        return {
            node.name: {
                part: {
                    key: _inherited(tensor, channels[node.name], node)
                    for key, tensor in tensors.items()
                    if not learned or key in ("weight", "bias")
                }
                for part, tensors in self._tensors[node.name].items()
            }
            for node in arch.graph().nodes
            if node.name in channels
        }


def with_tensors(arch: Architecture, inherited: Tensors) -> Network:
    """The network's module with these tensors."""
    module = Network(arch)
    for name, parts in inherited.items():
        for part, tensors in parts.items():
            own = module.get_submodule(f"{name}.{part}")
            for key, value in tensors.items():
                setattr(own, key, nn.Parameter(value) if key in own._parameters else value)
    return module


def by_node(state: Mapping[str, Tensor]) -> Tensors:
    """The tensors of a module's state by node, part of its module and name. Parts of branches are
    such as `conv.parts.point.norm`."""
    found: dict[str, dict[str, dict[str, Tensor]]] = {}
    for name, tensor in state.items():
        node, part, key = name.rsplit(".", 2)
        if BRANCHES in node:
            node, branch = node.split(BRANCHES)
            part = f"{BRANCHES[1:]}{branch}.{part}"
        found.setdefault(node, {}).setdefault(part, {})[key] = tensor
    return found


def _inherited(parent: Tensor, kept: Kept, node: Node) -> Tensor:
    """What a node keeps of a parent's tensor."""
    if parent.ndim == 0:
        return parent.clone()
    value = parent.index_select(0, torch.from_numpy(kept.out))
    if parent.ndim == 1:
        return value
    inputs = torch.from_numpy(kept.inputs % parent.shape[1])
    if node.groups == 1:
        value = value.index_select(1, inputs)
    else:
        each = len(inputs) // node.groups
        own = inputs.view(node.groups, each).repeat_interleave(len(value) // node.groups, 0)
        value = value.gather(1, own.view(len(value), each, 1, 1).expand(-1, -1, *value.shape[2:]))
    return value if value.shape[2:] in ((), node.kernel) else _centre(value, node.kernel)


def _centre(value: Tensor, window: tuple[int, int]) -> Tensor:
    """The middle of each window, of a size that may depend on the number of channels."""
    for axis, size in enumerate(window, 2):
        size = min(size, value.shape[axis])  # a 1x1 branch of a larger one
        value = value.narrow(axis, (value.shape[axis] - size) // 2, size)
    return value.contiguous()
