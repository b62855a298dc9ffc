"""Synaptic flow (Tanaka et al. 2020), in the log domain."""

from __future__ import annotations

from copy import deepcopy
from math import inf, log

import torch
from torch import Tensor, nn

from nas.proxies.registry import Probe, proxy

RESOLUTION = 64


class _Open(nn.Module):
    """A gate held open."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


_GATES = (nn.Hardsigmoid, nn.Sigmoid)
_LINEARISED = (nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU)


@proxy("synflow", paper="Tanaka et al. 2020, arXiv 2006.05467")
def synflow(probe: Probe) -> float:
    """log of the sum over weights of |w · dR/dw|, R the output of the network of |w| on ones.

    Float64, because R grows exponentially with depth. Norms and activations are left out and SE
    gates held open: on positive signals a ReLU does nothing, but a ReLU6 would cut the flow. R
    depends on the resolution by padding alone, so the input has at most 64 pixels a side.
    """
    network = _positive(deepcopy(probe.module).double().eval())
    side = min(probe.arch.resolution, RESOLUTION)
    ones = torch.ones(1, probe.arch.channels, side, side, dtype=torch.float64)
    network(ones).sum().backward()
    flow = sum(
        (p.detach() * p.grad).abs().sum().item() for p in network.parameters() if p.grad is not None
    )
    return log(flow) if 0 < flow < inf else float("nan")


def _positive(network: nn.Module) -> nn.Module:
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _GATES):
                parent.add_module(name, _Open())
            elif isinstance(child, _LINEARISED):
                parent.add_module(name, nn.Identity())
    for parameter in network.parameters():
        parameter.data.abs_()
    return network
