"""`Subject`: a trained network and training images, as far as a criterion may look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.architecture import Architecture
from nas.graph import Graph, Node, Shape
from nas.torch_module import Network

BATCH = 64  # images: what bounds the memory of activations and gradients


class Layer(NamedTuple):
    """A conv or linear node: its index `position` in the graph, the shape of its input and its modules."""

    position: int
    node: Node
    inputs: Shape
    chain: nn.Module
    core: nn.Conv2d | nn.Linear
    norm: nn.BatchNorm2d | None

    @property
    def weight(self) -> Tensor:
        """The weights as (out, in / groups, K): K is the window, for a linear layer the pixels of
        each input channel."""
        weight = self.core.weight.detach()
        if isinstance(self.core, nn.Conv2d):
            return weight.flatten(2)
        return weight.view(len(weight), self.channels, -1)

    @property
    def channels(self) -> int:
        """The number of input channels that each output channel reads."""
        return self.inputs[0] // self.node.groups


class Subject:
    """A trained network and normalised training images (N, C, R, R) with their labels (N,).

    The module is put in evaluation mode and is not changed. Everything is made on first use and
    shared by the criteria; images go through in batches of `BATCH`, so memory does not grow with
    their number.
    """

    def __init__(
        self,
        arch: Architecture,
        graph: Graph,
        module: Network,
        images: Tensor,
        labels: Tensor,
        seed: int = 0,
    ) -> None:
        self.arch, self.graph, self.module = arch, graph, module.eval()
        self.images, self.labels, self.seed = images, labels, seed

    def generator(self, stream: int = 0) -> torch.Generator:
        """A generator of random numbers for one `stream` of the seed."""
        return torch.Generator().manual_seed(self.seed * 1_000_003 + stream)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """The conv and linear nodes by name, in execution order."""
        found = {}
        for i, node in enumerate(self.graph.nodes):
            if node.op in ("conv", "linear"):
                inputs = self.graph.nodes[node.inputs[0]].shape
                chain = self.module.get_submodule(node.name)
                core, norm = chain.get_submodule(node.op), getattr(chain, "norm", None)
                assert isinstance(core, nn.Conv2d | nn.Linear)
                found[node.name] = Layer(i, node, inputs, chain, core, norm)
        return found

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the images and their labels, `BATCH` at a time."""
        yield from zip(self.images.split(BATCH), self.labels.split(BATCH), strict=True)

    def outputs(self, reduce: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """What `reduce` makes of each layer's output: of (n, C, H, W) it gives (n, C); all (N, C).

        The output is that of the whole node: behind its norm and its activation.
        """
        found: dict[str, list[Tensor]] = {name: [] for name in self.layers}

        def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
            return lambda module, inputs, output: found[name].append(reduce(output))

        with ExitStack() as stack, torch.no_grad():
            for name, layer in self.layers.items():
                stack.callback(layer.chain.register_forward_hook(keep(name)).remove)
            for images, _ in self.batches():
                self.module(images)
        return {name: torch.cat(parts) for name, parts in found.items()}

    def gated(self, images: Tensor, gates: Mapping[str, Tensor]) -> Tensor:
        """The logits where the outputs of layers are multiplied by gates (n or 1, C, 1, 1)."""

        def multiply(gate: Tensor) -> Callable[[nn.Module, object, Tensor], Tensor]:
            return lambda module, inputs, output: output * gate

        with ExitStack() as stack:
            for name, gate in gates.items():
                chain = self.layers[name].chain
                stack.callback(chain.register_forward_hook(multiply(gate)).remove)
            logits: Tensor = self.module(images)
        return logits

    @cached_property
    def gate_gradients(self) -> dict[str, Tensor]:
        """The derivative of each image's cross-entropy by a factor on a layer's channel, at 1:
        (N, C) for each layer. It is the sum over pixels of activation times gradient."""
        found: dict[str, list[Tensor]] = {name: [] for name in self.layers}
        for images, labels in self.batches():
            gates = {
                name: torch.ones(len(images), layer.node.shape[0], 1, 1, requires_grad=True)
                for name, layer in self.layers.items()
            }
            loss = functional.cross_entropy(self.gated(images, gates), labels, reduction="sum")
            gradients = torch.autograd.grad(loss, list(gates.values()))
            for name, gradient in zip(gates, gradients, strict=True):
                found[name].append(gradient.flatten(1))
        return {name: torch.cat(parts) for name, parts in found.items()}
