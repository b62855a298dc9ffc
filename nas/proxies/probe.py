"""What a proxy may look at; each part is made on first use and shared among the proxies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.costs import cost
from nas.graph import Graph
from nas.proxies.layers import Layer, block_ends, from_graph
from nas.proxies.trace import Trace
from nas.support.errors import NasError

# Of an architecture: with few images of little size the ranks hold (docs/proxies.md).
IMAGES, MANY_IMAGES = 4, 16
LARGEST = 128

Weights = dict[str, Tensor]
Place = tuple[dict[str, Any], str, Any]


class UndefinedScore(NasError):
    """A proxy gave no finite score for a network."""


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
        """The probe of an architecture: on noise, of `side(resolution)` pixels a side."""
        return _ArchitectureProbe(arch, seed)

    def generator(self, stream: int = 0) -> torch.Generator:
        """Random numbers that depend on the seed and on which `stream` of it is asked for."""
        return torch.Generator().manual_seed(self.seed * 1_000_003 + stream)

    @cached_property
    def graph(self) -> Graph:
        """The graph of the architecture. Errors: `UndefinedScore` for a module that has none."""
        if self.arch is None:
            raise UndefinedScore("it is defined for architectures only")
        return self.arch.graph()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The dataflow, at an architecture's own resolution or at that of the batch."""
        return tuple(self.trace.layers)

    @cached_property
    def params(self) -> int:
        return sum(p.numel() for p in self.module.parameters())

    @cached_property
    def places(self) -> list[tuple[nn.Module, str, str]]:
        """Every parameter: its module, its name there, and its name in `weights`."""
        names: dict[int, str] = {}  # a parameter may be in several places
        return [
            (owner, key, names.setdefault(id(p), f"{path}.{key}" if path else key))
            for path, owner in self._modules
            for key, p in owner._parameters.items()
            if p is not None
        ]

    @cached_property
    def layer_weights(self) -> set[str]:
        """The names of the weights of convolutions and linear layers."""
        return {
            name
            for owner, key, name in self.places
            if key == "weight" and isinstance(owner, nn.Conv2d | nn.Linear)
        }

    @cached_property
    def weights(self) -> Weights:
        """Fresh float32 parameters: He normal (fan in), norms 1 and 0, biases 0."""
        return fresh_weights(self.places, self.generator())

    @cached_property
    def _modules(self) -> list[tuple[str, nn.Module]]:
        return list(self.module.named_modules())

    def run(self, weights: Weights, x: Tensor, *, train: bool = True) -> Any:
        """The module's output with these weights; leaves buffers, modes and generators alone."""
        tensors: list[Place] = [(m._parameters, key, weights[name]) for m, key, name in self.places]
        copies: dict[int, Tensor] = {}
        for _, m in self._modules:
            for key, b in m._buffers.items():
                if isinstance(m, nn.modules.batchnorm._NormBase):
                    tensors.append((m._buffers, key, None))  # no statistics to update
                elif b is not None:
                    kind = x.dtype if b.is_floating_point() else b.dtype
                    copy = copies.setdefault(id(b), b.detach().to(kind, copy=True))
                    tensors.append((m._buffers, key, copy))
        modules = [m for _, m in self._modules]
        with _mode(modules, train), _replaced(tensors), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return self.module(x)

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

        The one backward pass of a loss, shared by all proxies that need it. Of parameters only
        those of two dimensions or more: neither norms' nor biases'.
        """
        trace = self.trace
        loss = F.cross_entropy(trace.tensor(trace.end).flatten(1), self.labels)
        weights = {name: w for name, w in self.weights.items() if w.dim() > 1}
        convs = [i for i, layer in enumerate(trace.layers) if layer.op == "conv"]
        targets: list[Any] = [*weights.values(), *(trace.edges[i] for i in convs)]
        found = torch.autograd.grad(loss, targets, retain_graph=True, allow_unused=True)
        by_weight = {
            name: torch.zeros_like(w) if g is None else g
            for (name, w), g in zip(weights.items(), found, strict=False)
        }
        by_conv = dict(zip(convs, found[len(weights) :], strict=True))
        return by_weight, {i: g for i, g in by_conv.items() if g is not None}


class _ArchitectureProbe(Probe):
    """Counts from the architecture's own graph, so that analytic proxies build no module."""

    def __init__(self, arch: Architecture, seed: int) -> None:
        self.arch, self.seed = arch, seed

    @cached_property
    def _reduced(self) -> Architecture:
        assert self.arch is not None
        return replace(self.arch, resolution=side(self.arch.resolution))

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


def side(resolution: int) -> int:
    """The size of what is run for an architecture: the larger its images, the larger, but less so.

    Small enough to be fast, and never blind to the resolution where spaces let it be chosen.
    """
    return min(resolution, 24 + resolution // 4, LARGEST)


def fresh_weights(
    places: Iterable[tuple[nn.Module, str, str]], generator: torch.Generator
) -> Weights:
    """He normal weights (fan in) for convolutions and linear layers, 1 for norms, 0 for biases.

    Parameters of other modules, such as a layer's scale, keep their values.
    """
    found: Weights = {}
    for owner, key, name in places:
        p = owner._parameters[key]
        if p is None or name in found:
            continue
        # The module's own values are not even read: they may be memory never written to.
        if isinstance(owner, nn.Conv2d | nn.Linear):
            if key == "weight":
                scale = (2 / p[0].numel()) ** 0.5
                value = torch.randn(p.shape, generator=generator).mul_(scale)
            else:
                value = torch.zeros(p.shape)
        elif isinstance(owner, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm):
            value = torch.ones(p.shape) if key == "weight" else torch.zeros(p.shape)
        else:
            value = p.detach().float().clone()
        found[name] = value.to(p.device).requires_grad_(value.dim() > 1)
    return found


@contextmanager
def _replaced(tensors: Sequence[Place]) -> Iterator[None]:
    """Puts tensors in the place of a module's own; `torch.func.functional_call` is slow."""
    before = [(owner, key, owner[key]) for owner, key, _ in tensors]
    try:
        for owner, key, tensor in tensors:
            owner[key] = tensor
        yield
    finally:
        for owner, key, tensor in before:
            owner[key] = tensor


@contextmanager
def _mode(modules: Sequence[nn.Module], train: bool) -> Iterator[None]:
    changed = [vars(m) for m in modules if m.training != train]  # a module's own way is slow
    for attributes in changed:
        attributes["training"] = train
    try:
        yield
    finally:
        for attributes in changed:
            attributes["training"] = not train
