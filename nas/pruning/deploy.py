"""The weights of a network of re-parameterised convolutions as those of the plain one.

RepVGG's and MobileOne's convolutions are trained as branches, which are one convolution when they
are exported. That one, with a norm behind it as in any network, is what is pruned.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import torch
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.branches import deployed
from nas.pruning.children import without_branches
from nas.pruning.quick import statistics
from nas.support.plain_torch import plain_torch
from nas.torch_module import Network


@plain_torch()
def without_branches_module(arch: Architecture, module: Network, images: Tensor) -> Network:
    """The module of `without_branches(arch)` that computes what that of `arch` does; the module
    itself where it has no branches.

    The norms that this adds have the mean and deviation of what they get of the `images` (N,
    channels, H, W) as statistics and, with the branches' bias, as shift and scale: so those of a
    child can be estimated anew, as any norm's.
    """
    plain = without_branches(arch)
    if plain == arch:
        return module
    network, state = Network(plain).eval(), deployed(module).state_dict()
    own = network.state_dict()
    network.load_state_dict(own | {name: state[name] for name in own if name in state})
    with ExitStack() as stack, torch.no_grad():
        for name, norm in network.named_modules():
            if isinstance(norm, nn.BatchNorm2d) and f"{name}.weight" not in state:
                bias = state[name.removesuffix("norm") + "conv.bias"]
                stack.callback(norm.register_forward_pre_hook(partial(_fit, bias)).remove)
        network(images)
    return network


def _fit(bias: Tensor, norm: nn.Module, inputs: tuple[Tensor]) -> None:
    assert isinstance(norm, nn.BatchNorm2d)
    norm.running_mean, norm.running_var = mean, variance = statistics(inputs[0])
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean + bias)
