"""Synaptic flow (Tanaka et al. 2020), in the log domain."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, log
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from nas.proxies.layers import ACTIVATION, CONV, GATE, LINEAR, NORM
from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy
from nas.proxies.trace import arguments, operation

FLOOR = 1e-300


class _Scaled(torch.autograd.Function):
    """A bias-free convolution or linear layer of float64 signals, computed in float32.

    The layer is linear, so its input and its gradient may be divided by their largest value first.
    Torch's float64 convolutions are slow, above all the grouped ones.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, layer: Callable[..., Tensor], flows: list[Tensor]
    ) -> Tensor:
        ctx.scale, ctx.flows = x.abs().max().clamp(min=FLOOR), flows
        ctx.x = (x.detach() / ctx.scale).float().requires_grad_()
        ctx.weight = weight.detach().float().requires_grad_(ctx.needs_input_grad[1])
        with torch.enable_grad():
            ctx.y = layer(ctx.x, ctx.weight)
        y: Tensor = ctx.y.detach().double() * ctx.scale
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradients[0].abs().max().clamp(min=FLOOR)
        gradient = (gradients[0] / scale).float()
        # In a linear layer the sum of w * dR/dw is the sum of y * dR/dy: no gradient of w needed.
        ctx.flows.append((ctx.y.detach() * gradient).sum(dtype=torch.float64) * scale * ctx.scale)
        if not ctx.needs_input_grad[1]:
            (of_x,) = torch.autograd.grad(ctx.y, [ctx.x], gradient)
            return of_x.double() * scale, None, None, None
        of_x, of_weight = torch.autograd.grad(ctx.y, [ctx.x, ctx.weight], gradient)
        return of_x.double() * scale, of_weight.double() * scale * ctx.scale, None, None


class _Linear(TorchFunctionMode):
    """A mode that skips norms and activations and holds gates open, so the network is linear.

    In the backward pass `flows` gets the flow of every layer whose weight's id is in `owned`.
    """

    def __init__(self, owned: set[int]) -> None:
        super().__init__()
        self.owned, self.flows = owned, list[Tensor]()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        op = operation(func)
        if op in (NORM, ACTIVATION):
            return args[0] if args else kwargs["input"]
        if op == GATE:
            return torch.ones_like(args[0] if args else kwargs["input"])
        if op in (CONV, LINEAR):
            named = arguments(args, kwargs)
            x, weight, bias = named.pop("input"), named.pop("weight"), named.pop("bias", None)
            flows = self.flows if id(weight) in self.owned else []
            y = _Scaled.apply(x, weight, lambda a, w: func(a, w, **named), flows)  # type: ignore[no-untyped-call]
            if bias is None:
                return y
            return y + (bias if op == LINEAR else bias[:, None, None])
        return func(*args, **kwargs)


@proxy(
    "synflow",
    paper="Tanaka et al. 2020, arXiv 2006.05467",
    needs=["backward"],
    cost="2 of one image",
    failure="grows with depth whether or not the depth can be trained",
)
def synflow(probe: Probe) -> float:
    """log of the sum over weights of |w · dR/dw|; R is the output of the network of |w| on ones.

    Signals are float64, because R grows exponentially with depth. Norms and activations are left
    out and SE gates are held open: on positive signals a ReLU does nothing, but a ReLU6 would cut
    the flow. A network without any flow scores log(1e-300).
    """
    plain = probe.layer_weights
    weights = {
        name: w.detach().abs() if name in plain else w.detach().double().abs().requires_grad_()
        for name, w in probe.weights.items()
    }
    ones = torch.ones_like(probe.batch[:1], dtype=torch.float64, requires_grad=True)
    linear = _Linear({id(weights[name]) for name in plain})
    with linear:
        total = probe.run(weights, ones, train=False).sum()
    if not total.requires_grad:
        return log(FLOOR)
    others = [w for name, w in weights.items() if name not in plain]
    gradients = torch.autograd.grad(total, [ones, *others], allow_unused=True)[1:]
    pairs = zip(others, gradients, strict=True)
    flow = sum((w.detach() * g).abs().sum().item() for w, g in pairs if g is not None)
    flow += sum(f.item() for f in linear.flows)
    if not isfinite(flow):
        raise UndefinedScore("the flow exceeds float64")
    return log(max(flow, FLOOR))
