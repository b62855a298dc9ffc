"""A network that computes with int8's roundings while it trains, so that its weights learn to bear
them: quantisation-aware training (Jacob et al. 2018), with a straight-through estimator."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nas.torch_layers import Chain, Concat, Multiply
from nas.torch_module import Network

FUSED = (nn.ReLU, nn.ReLU6, nn.Hardsigmoid)  # of which int8 holds the result alone
ROUNDED = (Chain, Concat, Multiply, nn.AdaptiveAvgPool2d, nn.AvgPool2d)
SMALLEST = 1e-8  # step of a map or of weights


class FakeQuantised:
    """Runs a network with its weights and its maps rounded as int8 rounds them.

    Gradients pass a rounding as if it were not there. A map's range is that of the batch, so the
    network gains no state. Norms go on as they are: folding them into the weights changes no
    rounding, since each output channel has a scale of its own.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._hooks = [network.register_forward_pre_hook(_round_inputs)]
        for module in network.modules():
            if isinstance(module, ROUNDED):
                self._hooks.append(module.register_forward_hook(_round_output))
            if isinstance(module, Chain) and hasattr(module, "act") and len(module) > 1:
                *_, before, act = module
                if not isinstance(act, FUSED):
                    self._hooks.append(before.register_forward_hook(_round_output))

    def __call__(self, images: Tensor) -> Tensor:
        """The logits (N, classes) of images (N, C, H, W)."""
        weights = {
            name: rounded_weight(value)
            for name, value in self._network.named_parameters()
            if value.ndim > 1
        }
        logits: Tensor = functional_call(self._network, weights, (images,))
        return logits

    def close(self) -> None:
        """Leaves the network as it was."""
        for hook in self._hooks:
            hook.remove()


def rounded_map(x: Tensor) -> Tensor:
    """A map rounded to the 256 steps of int8 over its own range, widened to hold 0."""
    with torch.no_grad():
        low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
        step = ((high - low) / 255).clamp(min=SMALLEST)
        zero = (low / step).round()
        near = (x / step).round().clamp(zero, zero + 255) * step
    return x + (near - x).detach()


def rounded_weight(weight: Tensor) -> Tensor:
    """Weights (O, …) rounded to int8, with a scale for each output channel."""
    with torch.no_grad():
        largest = weight.abs().flatten(1).amax(1).view(-1, *[1] * (weight.ndim - 1))
        step = (largest / 127).clamp(min=SMALLEST)
        near = (weight / step).round() * step
    return weight + (near - weight).detach()


def _round_inputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(map(rounded_map, inputs))


def _round_output(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return rounded_map(output)
