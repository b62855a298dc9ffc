"""Inherited accuracy: what a child is worth before it is trained.

The child inherits weights and classifies images that neither the parent nor the child was trained
on: validation images. Its norms' statistics are estimated again on the first of these, whose labels
have no part in that. No training, so a search can look at thousands of children. The test images
are never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from hashlib import sha256
from math import sqrt
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.branches import deployed
from nas.data import DataOptions, DataSet, load_again
from nas.data.dataset import Images
from nas.formats.folded import unfold_norms
from nas.formats.weights import EPS, load_weights
from nas.pruning.criteria import importances
from nas.pruning.inherit import Parent, with_tensors
from nas.pruning.quick import QuickNetwork, Tensors, statistics
from nas.pruning.reconstruct import reconstruct
from nas.pruning.subject import Subject
from nas.resolution import Resolution
from nas.support.errors import NasError
from nas.support.files import read_bytes
from nas.support.plain_torch import plain_torch
from nas.support.validation import Settings
from nas.torch_module import Network
from nas.training.batches import Normalise, Pixels

FAR = 1.0  # two standard deviations of a share of one image, at most
CPU = torch.device("cpu")
HELD_OUT_STREAM, CRITERION_STREAM = 2, 3


class Inheritance(Settings):
    """What inherited accuracy depends on beside the child: the parent's weights, with a checksum of
    their file, the data, the criterion, whether layers that lose inputs are reconstructed, the
    epsilon of the weights' norms, and how many images are looked at: `norm_images` are those of
    the `images` that norms are estimated on."""

    parent: str  # an architecture's JSON
    weights: str
    checksum: str
    data: str
    data_options: str
    data_checksum: str
    criterion: str
    reconstruct: bool = False
    norm_eps: Annotated[float, Field(gt=0)] = EPS
    seed: int = 0
    images: Annotated[int, Field(ge=1)] = 512
    norm_images: Annotated[int, Field(ge=2)] = 128
    criterion_images: Annotated[int, Field(ge=1)] = 512


def weights_checksum(path: str) -> str:
    """The SHA-256 of a file of weights."""
    return sha256(read_bytes(Path(path), path, most=None)).hexdigest()


@plain_torch()
def load_parent(arch: Architecture, path: str, norm_eps: float = EPS) -> Network:
    """The network with the weights of a file: a training's, or published ones, of norms with that
    epsilon.

    Errors: `NasError` where they are another network's.
    """
    return load_weights(arch, Path(path), norm_eps=norm_eps)


def inherited_accuracy(
    arch: Architecture, inheritance: Inheritance, enough: float = 0.0
) -> dict[str, float]:
    """The share of held-out images that a child classifies correctly, and how many they are: a pure
    function of its arguments. One that is far below the share `enough` of the first images is
    looked at no further. Errors: `NasError` where it is no child of the parent."""
    return bench_of(inheritance).evaluated(arch, enough)


def inherited(arch: Architecture, inheritance: Inheritance) -> Network:
    """The child with inherited weights and statistics, as it was judged."""
    return bench_of(inheritance).child(arch)


class Bench:
    """A parent and the images that its children are judged by, which are loaded once a process.

    `data` is the data set, read again unless given.
    """

    def __init__(self, inheritance: Inheritance, data: DataSet | None = None) -> None:
        self.inheritance, self._given = inheritance, data

    @cached_property
    def data(self) -> DataSet:
        given = self.inheritance
        if self._given is not None:
            return self._given
        options = DataOptions.model_validate_json(given.data_options)
        return load_again(given.data, 0, options, given.data_checksum, None)

    @cached_property
    def parent(self) -> Parent:
        """The parent with the criterion's scores. Errors: `NasError` where its weights changed."""
        scores = importances(self.inheritance.criterion, self._subject)
        return Parent(self._arch, self._trained, scores)

    @cached_property
    def _arch(self) -> Architecture:
        return Architecture.from_json(self.inheritance.parent)

    @cached_property
    def _trained(self) -> Network:
        given = self.inheritance
        if weights_checksum(given.weights) != given.checksum:
            raise NasError(f"{given.weights} has changed since the pruning began")
        module = load_parent(self._arch, given.weights, given.norm_eps)
        unfold_norms(module, self._shown[0][: given.norm_images])
        return module

    @cached_property
    def _shown(self) -> tuple[Tensor, Tensor]:
        """Training images, normalised, and their labels."""
        count = self.inheritance.criterion_images
        images = self._some(self.data.train, count, CRITERION_STREAM)
        pixels = Pixels(images, self._arch.resolution, CPU)
        return self.normalise(pixels[:]), pixels.labels

    @cached_property
    def _subject(self) -> Subject:
        """What criteria look at: the parent as it is exported, each convolution one."""
        module = deployed(self._trained)
        assert isinstance(module, Network)
        graph, seed = self._arch.graph(), self.inheritance.seed
        return Subject(self._arch, graph, module, *self._shown, seed)

    @cached_property
    def normalise(self) -> Normalise:
        return Normalise(self.data, CPU)

    def _some(self, images: Images, count: int, stream: int) -> Images:
        """So many images or all, in an order drawn by the seed."""
        rng = np.random.default_rng((self.inheritance.seed, stream))
        return images.take(rng.permutation(len(images.labels))[:count])

    def _held_out(self, resolution: Resolution) -> tuple[Tensor, Tensor]:
        if resolution not in self._prepared:
            some = self._some(self.data.validation, self.inheritance.images, HELD_OUT_STREAM)
            pixels = Pixels(some, resolution, CPU)
            self._prepared[resolution] = self.normalise(pixels[:]), pixels.labels
        return self._prepared[resolution]

    @cached_property
    def _prepared(self) -> dict[Resolution, tuple[Tensor, Tensor]]:
        return {}

    @plain_torch()
    def child(self, arch: Architecture) -> Network:
        """The child with its norms' statistics, in evaluation mode."""
        module = self._inheriting(arch)
        estimate(module, self._held_out(arch.resolution)[0][: self.inheritance.norm_images])
        return module

    def _inheriting(self, arch: Architecture) -> Network:
        return with_tensors(arch, self._tensors(arch))

    def _tensors(self, arch: Architecture, *, learned: bool = False) -> Tensors:
        channels = self.parent.channels(arch)
        tensors = self.parent.tensors(arch, channels, learned=learned)
        if self.inheritance.reconstruct:
            reconstruct(tensors, self._subject, channels)
        return tensors

    @plain_torch()
    def evaluated(self, arch: Architecture, enough: float = 0.0) -> dict[str, float]:
        """See `inherited_accuracy`."""
        images, labels = self._held_out(arch.resolution)
        network = QuickNetwork(arch, self._tensors(arch, learned=True))
        first = self.inheritance.norm_images
        with torch.inference_mode():
            right = network.settle(images[:first]).argmax(1) == labels[:first]
            hopeless = right.double().mean() + FAR / sqrt(len(right)) < enough
            if len(images) > first and not hopeless:
                later = network(images[first:]).argmax(1) == labels[first:]
                right = torch.cat([right, later])
        share = right.double().mean().item()
        return {"inherited_accuracy": share, "images": float(len(right))}

    def accuracies(self, archs: Sequence[Architecture]) -> list[float]:
        """The inherited accuracy of each child, a share."""
        return [self.evaluated(arch)["inherited_accuracy"] for arch in archs]


def bench_of(inheritance: Inheritance, data: DataSet | None = None) -> Bench:
    """The bench of this process; one is kept. `data` is the data set where it is loaded already."""
    if inheritance not in _kept:
        _kept.clear()
        _kept[inheritance] = Bench(inheritance, data)
    return _kept[inheritance]


_kept: dict[Inheritance, Bench] = {}


def estimate(module: nn.Module, images: Tensor) -> None:
    """Sets the statistics of every norm to those of the images, each behind the norms before it,
    and the module to evaluation mode."""

    def take(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        norm.running_mean, norm.running_var = statistics(inputs[0])

    module.eval()
    with ExitStack() as stack, torch.no_grad():
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm2d):
                stack.callback(norm.register_forward_pre_hook(take).remove)
        module(images)
