"""What a proxy may look at; each part is made on first use and shared among the proxies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from nas.architecture import Architecture
from nas.costs import cost
from nas.graph import Graph
from nas.proxies.layers import Layer, block_ends, from_graph
from nas.proxies.trace import Trace

# Of an architecture's images: with fewer and smaller ones the ranks hold (docs/proxies.md).
IMAGES = 8
MANY_IMAGES = 16
SIDE = 64

Weights = dict[str, Tensor]


class Probe:
    """A module with weights of its own, drawn by `seed`, and a batch of images.

    The module's own weights are neither read nor written: a score is of an architecture. Every run
    goes through `run`, which puts other tensors in their place for one call.
    """

    def __init__(
        self,
        module: nn.Module,
        batch: Tensor,
        seed: int = 0,
        arch: Architecture | None = None,
    ) -> None:
        self.module, self.seed, self.arch = module, seed, arch
        self.batch = batch.detach().float()

    @classmethod
    def of(cls, arch: Architecture, seed: int = 0) -> Probe:
        """The probe of an architecture: on noise, of at most 64 pixels a side."""
        return _ArchitectureProbe(arch, seed)

    def generator(self, stream: int = 0) -> torch.Generator:
        """Random numbers that depend on the seed and on which `stream` of it is asked for."""
        return torch.Generator().manual_seed(self.seed * 1_000_003 + stream)

    @cached_property
    def graph(self) -> Graph:
        """The graph of the architecture. Errors: `ValueError` for a module that has none."""
        if self.arch is None:
            raise ValueError("it is defined for architectures only")
        return self.arch.graph()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The dataflow, at an architecture's own resolution or at that of the batch."""
        return tuple(self.trace.layers)

    @cached_property
    def params(self) -> int:
        return sum(p.numel() for p in self.module.parameters())

    @cached_property
    def weights(self) -> Weights:
        """Fresh float32 parameters: He normal (fan in), norms 1 and 0, biases 0."""
        return fresh_weights(self.module, self.generator())

    @cached_property
    def _modules(self) -> list[nn.Module]:
        return list(self.module.modules())

    @cached_property
    def _buffers(self) -> list[tuple[str, Tensor]]:
        return list(self.module.named_buffers())

    @cached_property
    def _names(self) -> dict[str, str]:
        """Every name of a parameter, and the one of its names that `weights` has it by."""
        first: dict[int, str] = {}
        every = self.module.named_parameters(remove_duplicate=False)
        return {name: first.setdefault(id(p), name) for name, p in every}

    def run(self, weights: Weights, x: Tensor, *, train: bool = True) -> Any:
        """The module's output with these weights; leaves buffers, modes and generators alone."""
        tensors = {name: weights[first] for name, first in self._names.items()}
        for name, b in self._buffers:
            tensors[name] = b.detach().to(x.dtype if b.is_floating_point() else b.dtype, copy=True)
        with _mode(self._modules, train), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return functional_call(self.module, tensors, (x,), tie_weights=False)

    def watch(self, weights: Weights, x: Tensor) -> Trace:
        """The trace of one forward pass in training mode."""
        x = x.clone()
        trace = Trace(x)
        with trace:
            trace.finish(self.run(weights, x))
        return trace

    @cached_property
    def trace(self) -> Trace:
        """The pass of the batch that the proxies share, with everything autograd needs."""
        return self.watch(self.weights, self.batch)

    @property
    def many(self) -> Probe:
        """The same for a proxy that needs more images than an architecture's others do."""
        return self

    @cached_property
    def blocks(self) -> list[int]:
        """The layers of `trace` that are the feature maps between its blocks."""
        return block_ends(self.trace.layers, self.trace.end)

    @cached_property
    def labels(self) -> Tensor:
        """Random labels: what the losses of proxies are made of."""
        classes = self.trace.tensor(self.trace.end).flatten(1).shape[1]
        return torch.randint(classes, (len(self.batch),), generator=self.generator(1))

    @cached_property
    def gradients(self) -> tuple[Weights, dict[int, Tensor]]:
        """Of the cross-entropy with random labels: by weight, and by convolution of `trace`.

        The one backward pass of a loss, shared by all proxies that need it.
        """
        trace = self.trace
        loss = F.cross_entropy(trace.tensor(trace.end).flatten(1), self.labels)
        convs = [i for i, layer in enumerate(trace.layers) if layer.op == "conv"]
        targets: list[Any] = [*self.weights.values(), *(trace.edges[i] for i in convs)]
        found = torch.autograd.grad(loss, targets, retain_graph=True, allow_unused=True)
        n = len(self.weights)
        by_weight = {
            name: torch.zeros_like(w) if g is None else g
            for (name, w), g in zip(self.weights.items(), found[:n], strict=True)
        }
        by_conv = {i: g for i, g in zip(convs, found[n:], strict=True) if g is not None}
        return by_weight, by_conv


class _ArchitectureProbe(Probe):
    """Counts from the architecture's own graph, so that analytic proxies build no module."""

    def __init__(self, arch: Architecture, seed: int) -> None:
        self.arch, self.seed = arch, seed

    @cached_property
    def _reduced(self) -> Architecture:
        assert self.arch is not None
        return replace(self.arch, resolution=min(self.arch.resolution, SIDE))

    @cached_property
    def module(self) -> nn.Module:  # type: ignore[override]
        from nas.torch_module import Network

        return Network(self._reduced)

    @cached_property
    def batch(self) -> Tensor:  # type: ignore[override]
        return self._noise(IMAGES)

    @cached_property
    def many(self) -> Probe:
        return Probe(self.module, self._noise(MANY_IMAGES), self.seed)

    def _noise(self, count: int) -> Tensor:
        shape = (count, *self._reduced.input_shape)
        return torch.randn(shape, generator=self.generator(2))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        return from_graph(self.graph)

    @cached_property
    def params(self) -> int:
        assert self.arch is not None
        return cost(self.arch).params


def fresh_weights(module: nn.Module, generator: torch.Generator) -> Weights:
    """He normal weights (fan in) for convolutions and linear layers, 1 for norms, 0 for biases.

    Parameters of other modules, such as a layer's scale, keep their values.
    """
    found: Weights = {}
    names = {id(p): name for name, p in module.named_parameters()}
    for owner in module.modules():
        for name, p in owner._parameters.items():  # its public form walks the module each time
            if p is None or (full := names[id(p)]) in found:  # the latter is tied
                continue
            # The module's own values are not even read: they may be memory never written to.
            if isinstance(owner, nn.Conv2d | nn.Linear):
                if name == "weight":
                    scale = (2 / p[0].numel()) ** 0.5
                    value = torch.randn(p.shape, generator=generator).mul_(scale)
                else:
                    value = torch.zeros(p.shape)
            elif isinstance(owner, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm):
                value = torch.ones(p.shape) if name == "weight" else torch.zeros(p.shape)
            else:
                value = p.detach().float().clone()
            found[full] = value.to(p.device).requires_grad_()
    return found


@contextmanager
def _mode(modules: Sequence[nn.Module], train: bool) -> Iterator[None]:
    changed = [m for m in modules if m.training != train]
    for m in changed:
        m.training = train
    try:
        yield
    finally:
        for m in changed:
            m.training = not train
