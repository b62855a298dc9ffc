"""`Probe`: what a proxy may look at. Each part is made on first use and shared by the proxies."""

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
from nas.resolution import Resolution, mean_side, scaled
from nas.support.errors import NasError

# Few small images give an architecture the same rank as many large ones (docs/proxies.md).
IMAGES, MANY_IMAGES = 4, 16
LARGEST = 128

Weights = dict[str, Tensor]
Replacement = tuple[dict[str, Any], str, Any]  # where a module keeps a tensor, its key, the new one


class UndefinedScore(NasError):
    """A proxy gave no finite score for a network."""


class Probe:
    """A module, weights drawn for it by `seed`, and a batch of images (N, C, H, W).

    The module's own weights are neither read nor written, because a score is of an architecture.
    Every forward pass goes through `run`, which replaces them for one call.
    """

    def __init__(
        self,
        module: nn.Module,
        batch: Tensor,
        seed: int = 0,
        arch: Architecture | None = None,
    ) -> None:
        self.module, self.seed, self.arch = module, seed, arch
        batch = batch.clone() if batch.is_inference() else batch  # autograd takes no such tensor
        self.batch = batch.detach().float()

    @classmethod
    def of(cls, arch: Architecture, seed: int = 0) -> Probe:
        """The probe of an architecture on noise images of the `shown_size`."""
        return _ArchitectureProbe(arch, seed)

    def generator(self, stream: int = 0) -> torch.Generator:
        """A generator of random numbers for one `stream` of the seed."""
        return torch.Generator().manual_seed(self.seed * 1_000_003 + stream)

    @cached_property
    def graph(self) -> Graph:
        """The graph of the architecture. Errors: `UndefinedScore` where only a module was given."""
        if self.arch is None:
            raise UndefinedScore("it is defined for architectures only")
        return self.arch.graph()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The dataflow, at the architecture's own resolution, or for a module at the batch's."""
        return tuple(self.trace.layers)

    @cached_property
    def params(self) -> int:
        """The number of parameters."""
        return sum(p.numel() for p in self.module.parameters())

    @cached_property
    def parameters(self) -> list[tuple[nn.Module, str, str]]:
        """Every parameter of each module: the module, the name there, and the name in `weights`."""
        names: dict[int, str] = {}  # several modules may share a parameter
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
            for owner, key, name in self.parameters
            if key == "weight" and isinstance(owner, nn.Conv2d | nn.Linear)
        }

    @cached_property
    def weights(self) -> Weights:
        """Fresh float32 parameters by name, see `fresh_weights`."""
        return fresh_weights(self.parameters, self.generator())

    @cached_property
    def matrices(self) -> Weights:
        """The `weights` of two dimensions or more: neither norms nor biases."""
        return {name: w for name, w in self.weights.items() if w.dim() > 1}

    @cached_property
    def _modules(self) -> list[tuple[str, nn.Module]]:
        return list(self.module.named_modules())

    def run(self, weights: Weights, x: Tensor, *, train: bool = True) -> Any:
        """The module's output with these weights; leaves buffers, modes and generators alone."""
        tensors: list[Replacement] = [
            (m._parameters, key, weights[name]) for m, key, name in self.parameters
        ]
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
        with _mode(modules, train), _replaced(tensors), _seeded(self.seed, x.device):
            return self.module(x)

    def watch(self, weights: Weights, x: Tensor) -> Trace:
        """Traces one forward pass of images `x` in training mode."""
        x = x.clone()
        trace = Trace(x)
        with trace:
            trace.finish(self.run(weights, x))
        return trace

    @cached_property
    def trace(self) -> Trace:
        """The trace of the batch that the proxies share, with everything that autograd needs."""
        return self.watch(self.weights, self.batch)

    @property
    def many(self) -> Probe:
        """The probe of the same network for a proxy that needs more images than the others do."""
        return self

    @cached_property
    def blocks(self) -> list[int]:
        """The indices of the layers of `trace` that give the feature maps between blocks."""
        return block_ends(self.trace.layers, self.trace.end)

    @cached_property
    def labels(self) -> Tensor:
        """A random label for each image (N,), for the losses of proxies."""
        classes = self.trace.tensor(self.trace.end).flatten(1).shape[1]
        return torch.randint(classes, (len(self.batch),), generator=self.generator(1))

    @cached_property
    def gradients(self) -> tuple[Weights, dict[int, Tensor]]:
        """The gradients of the cross-entropy with random labels: by name of the weight, and by
        index of a convolution of `trace`.

        All proxies that need a loss share this backward pass; its weights are the `matrices`.
        """
        trace = self.trace
        loss = F.cross_entropy(trace.tensor(trace.end).flatten(1), self.labels)
        weights = self.matrices
        convs = [i for i, layer in enumerate(trace.layers) if layer.op == "conv"]
        targets: list[Any] = [*weights.values(), *(trace.edges[i] for i in convs)]
        gradients = torch.autograd.grad(loss, targets, retain_graph=True, allow_unused=True)
        by_weight = {
            name: torch.zeros_like(w) if g is None else g
            for (name, w), g in zip(weights.items(), gradients, strict=False)
        }
        by_conv = dict(zip(convs, gradients[len(weights) :], strict=True))
        return by_weight, {i: g for i, g in by_conv.items() if g is not None}


class _ArchitectureProbe(Probe):
    """The probe of an architecture; it counts from the graph, so analytic proxies build no
    module."""

    def __init__(self, arch: Architecture, seed: int) -> None:
        self.arch, self.seed = arch, seed

    @cached_property
    def _reduced(self) -> Architecture:
        assert self.arch is not None
        return replace(self.arch, resolution=shown_size(self.arch.resolution))

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


def shown_size(resolution: Resolution) -> Resolution:
    """The size of the images that a proxy runs for an architecture of `resolution`.

    It grows with the resolution, so that proxies tell resolutions apart, but more slowly, to be
    fast.
    """
    side = mean_side(resolution)
    return scaled(resolution, min(side, 24 + side // 4, LARGEST) / side)


def fresh_weights(
    parameters: Iterable[tuple[nn.Module, str, str]], generator: torch.Generator
) -> Weights:
    """New float32 values of `Probe.parameters`: He normal weights (fan in) for convolutions and
    linear layers, 1 for the weights of norms, 0 for biases.

    Parameters of other modules, such as a layer's scale, keep their values.
    """
    weights: Weights = {}
    for owner, key, name in parameters:
        p = owner._parameters[key]
        if p is None or name in weights:
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
        weights[name] = value.to(p.device).requires_grad_(value.dim() > 1)
    return weights


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds the CPU's generator for a while, and that of the GPU that is used, but of no other."""
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def _replaced(tensors: Sequence[Replacement]) -> Iterator[None]:
    """Replaces tensors of modules for a while; `torch.func.functional_call` is slow."""
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
    changed = [vars(m) for m in modules if m.training != train]  # `nn.Module.train` is slow
    for attributes in changed:
        attributes["training"] = train
    try:
        yield
    finally:
        for attributes in changed:
            attributes["training"] = not train
