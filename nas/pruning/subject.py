"""`Subject`: a trained network and training images, as far as a criterion may look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.architecture import Architecture
from nas.graph import Graph, Node, Shape
from nas.pruning.flow import is_depthwise, is_layer, sources
from nas.torch_module import Network

# What bounds the memory of activations and gradients: images at once, and their pixels.
BATCH, PIXELS = 64, 64 * 64**2
SAMPLES, FILTERS = 2048, 2
SQUARE = 2304  # inputs of a layer up to which all their products are kept


class Layer(NamedTuple):
    """A conv or linear node: its place in the graph, the shape of its input, its modules."""

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

    @property
    def pixels(self) -> int:
        """The number of pixels of an output channel."""
        return self.node.shape[1] * self.node.shape[2]

    @property
    def is_depthwise(self) -> bool:
        """Whether each filter reads the channel of its own number only."""
        return is_depthwise(self.node, self.inputs[0])

    def patches(self, x: Tensor, image: Tensor, place: Tensor) -> Tensor:
        """What the filters read of inputs `x` (n, C, H, W) for the output pixels `place` (S,) of
        the images `image` (S,): (S, C, K)."""
        if isinstance(self.core, nn.Linear):
            return x[image].flatten(2)
        (kh, kw), (ph, pw), stride = self.node.kernel, self.node.padding, self.node.strides
        padded = functional.pad(x, (pw, pw, ph, ph))
        width = self.node.shape[2]
        rows = (place // width * stride[0])[:, None, None] + torch.arange(kh)[:, None]
        columns = (place % width * stride[1])[:, None, None] + torch.arange(kw)
        return padded[image[:, None, None], :, rows, columns].flatten(1, 2).mT


class Subject:
    """A trained network and normalised training images (N, C, H, W) with their labels (N,).

    The module is put in evaluation mode and is not changed. Everything is made on first use and
    shared by the criteria; images go through `batch` at a time, so memory does not grow with their
    number.
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
        self.batch = max(1, min(BATCH, PIXELS // prod(arch.input_shape[1:])))

    def generator(self, stream: int = 0) -> torch.Generator:
        """A generator of random numbers for one `stream` of the seed."""
        return torch.Generator().manual_seed(self.seed * 1_000_003 + stream)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """The conv and linear nodes by name, in execution order."""
        found = {}
        for i, node in enumerate(self.graph.nodes):
            if is_layer(node):
                inputs = self.graph.nodes[node.inputs[0]].shape
                chain = self.module.get_submodule(node.name)
                core, norm = chain.get_submodule(node.op), getattr(chain, "norm", None)
                assert isinstance(core, nn.Conv2d | nn.Linear)
                found[node.name] = Layer(i, node, inputs, chain, core, norm)
        return found

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the images and their labels, `batch` at a time."""
        yield from zip(self.images.split(self.batch), self.labels.split(self.batch), strict=True)

    def outputs(
        self, reduce: Callable[[Tensor], Tensor], most: int | None = None
    ) -> dict[str, Tensor]:
        """What `reduce` makes of each layer's output: of (n, C, H, W) it gives (n, C); all (N, C).

        The output is that of the whole node: behind its norm and its activation. `most` is the
        number of images to look at, all unless given.
        """
        found: dict[str, list[Tensor]] = {name: [] for name in self.layers}

        def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
            return lambda module, inputs, output: found[name].append(reduce(output))

        with ExitStack() as stack, torch.no_grad():
            for name, layer in self.layers.items():
                stack.callback(layer.chain.register_forward_hook(keep(name)).remove)
            for images in self.images[:most].split(self.batch):
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

    @cached_property
    def readers(self) -> dict[str, Layer]:
        """The layers whose filters read many channels: all but the depthwise ones."""
        return {name: layer for name, layer in self.layers.items() if not layer.is_depthwise}

    @cached_property
    def patches(self) -> dict[str, Tensor]:
        """What each of `readers` reads for about `SAMPLES` output pixels, drawn from all images:
        (S, C, K), C all its input channels."""
        each = max(1, -(-SAMPLES // len(self.images)))
        found: dict[str, list[Tensor]] = {name: [] for name in self.readers}
        generator = self.generator(2)

        def keep(name: str, layer: Layer) -> Callable[[nn.Module, tuple[Tensor]], None]:
            def hook(module: nn.Module, inputs: tuple[Tensor]) -> None:
                image = torch.arange(len(inputs[0])).repeat_interleave(each)
                place = torch.randint(layer.pixels, (len(image),), generator=generator)
                found[name].append(layer.patches(inputs[0], image, place))

            return hook

        with ExitStack() as stack, torch.no_grad():
            for name, layer in self.readers.items():
                hook = layer.chain.register_forward_pre_hook(keep(name, layer))
                stack.callback(hook.remove)
            for images in self.images[:SAMPLES].split(self.batch):
                self.module(images)
        return {name: torch.cat(parts) for name, parts in found.items()}

    def products(self, name: str, group: int, left: list[int], right: list[int]) -> Tensor:
        """Sums over the `patches` of the products of what a group of a layer reads of its input
        channels `left` with what it reads of `right`: (left x K, right x K), float64."""
        layer = self.readers[name]
        each = layer.channels
        window = torch.arange(layer.weight.shape[2])
        rows, columns = (
            (torch.tensor(chosen, dtype=torch.long)[:, None] * len(window) + window).flatten()
            for chosen in (left, right)
        )
        reads = self.patches[name][:, group * each : (group + 1) * each].flatten(1)
        if reads.shape[1] > SQUARE:
            return reads[:, rows].double().T @ reads[:, columns].double()
        if (name, group) not in self._products:
            self._products[name, group] = reads.double().T @ reads.double()
        return self._products[name, group][rows[:, None], columns]

    @cached_property
    def _products(self) -> dict[tuple[str, int], Tensor]:
        return {}

    def contributions(self, name: str) -> Tensor:
        """What each input channel adds to outputs of a layer, before its bias and its norm: (S, C)
        for `FILTERS` random filters at each of the `patches`. A row's sum is the output."""
        layer, patches = self.readers[name], self.patches[name]
        rows, generator = [], self.generator(3)
        out, per = len(layer.weight), layer.channels
        for _ in range(FILTERS):
            filters = torch.randint(out, (len(patches),), generator=generator)
            if layer.node.groups == 1:
                rows.append((patches * layer.weight[filters]).sum(2))
                continue
            group = filters // (out // layer.node.groups)
            columns = group[:, None] * per + torch.arange(per)
            sample = torch.arange(len(patches))[:, None]
            products = (patches[sample, columns] * layer.weight[filters]).sum(2)
            rows.append(torch.zeros(patches.shape[:2]).scatter_(1, columns, products))
        return torch.cat(rows)

    @cached_property
    def norm_scales(self) -> dict[str, Tensor]:
        """|γ| of the norm that each channel of a layer goes into: its own, or else the largest of
        those of later norms on their own. A channel without any gets its filter's L2 norm."""
        scales = {
            name: layer.weight.double().norm(dim=(1, 2))
            if layer.norm is None
            else layer.norm.weight.detach().double().abs()
            for name, layer in self.layers.items()
        }
        carried, later = sources(self.graph), dict[tuple[int, int], float]()
        for node in self.graph.nodes:
            if node.op == "activate" and node.norm:
                norm = self.module.get_submodule(f"{node.name}.norm")
                assert isinstance(norm, nn.BatchNorm2d)
                for gamma, filters in zip(
                    norm.weight.detach().abs().tolist(), carried[node.inputs[0]], strict=True
                ):
                    for key in filters:
                        later[key] = max(gamma, later.get(key, 0.0))
        for (i, channel), gamma in later.items():
            name = self.graph.nodes[i].name
            if self.layers[name].norm is None:
                scales[name][channel] = gamma
        return scales
