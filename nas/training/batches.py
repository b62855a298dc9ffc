"""Batches from a data set's images: resized once, then shuffled and augmented by a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nas.data import stored
from nas.data.dataset import DataSet, Images
from nas.data.stored import Stored, chunks
from nas.resolution import Resolution, sides
from nas.training.augment import augmented, mixed
from nas.training.recipe import Recipe

SUBSET = 2**31  # the stream that draws `Recipe.images`; epochs are streams 0, 1, …


class Pixels:
    """Images of one `resolution` on a device as (N, C, H, W) of uint8, with their `labels` (N,).

    Those that take more room than there is for them stay where they are, and are read and resized
    whenever they are asked for.
    """

    def __init__(self, images: Images, resolution: Resolution, device: torch.device) -> None:
        self.labels = torch.from_numpy(images.labels).to(device)
        self.resolution = resolution
        self._images, self._device = images.pixels, device
        self._held: Tensor | None = None
        if len(images.labels) * images.pixels.shape[1] * prod(sides(resolution)) <= _room(device):
            self._held = self._read(images.pixels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        """The images of these indices, (N,) on any device, or of a slice."""
        if self._held is not None:
            return self._held[chosen if isinstance(chosen, slice) else chosen.to(self._device)]
        index = chosen if isinstance(chosen, slice) else chosen.cpu().numpy()
        return self._read(self._images[index])

    def split(self, size: int) -> Iterator[Tensor]:
        """Yields all images in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def _read(self, pixels: NDArray[np.uint8] | Stored) -> Tensor:
        if isinstance(pixels, Stored):
            shape = (len(pixels), pixels.shape[1], *sides(self.resolution))
            read, done = torch.empty(shape, dtype=torch.uint8, device=self._device), 0
            for chunk in chunks(pixels):
                read[done : done + len(chunk)] = self._read(chunk)
                done += len(chunk)
            return read
        array = torch.from_numpy(np.ascontiguousarray(pixels))
        return resized(array, self.resolution).to(self._device)


def _room(device: torch.device) -> int:
    """How many bytes of images may be held on a device: of a GPU's memory a quarter."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 4
    return stored.HELD


def resized(pixels: Tensor, resolution: Resolution) -> Tensor:
    """Images (N, C, H, W) of uint8 resized whole to the resolution: bilinear, with antialiasing."""
    size = sides(resolution)
    if pixels.shape[-2:] == size or not len(pixels):
        return pixels
    each = max(1, stored.CHUNK // pixels[0].numel())
    parts = [
        functional.interpolate(part.float(), size, mode="bilinear", antialias=True)
        .round()
        .clamp(0, 255)
        .byte()
        for part in torch.split(pixels, each)
    ]
    return torch.cat(parts)


class Normalise:
    """Turns uint8 images into a network's input: float32 of mean 0 and standard deviation 1 over
    the data set's training images, channels last in memory."""

    def __init__(self, data: DataSet, device: torch.device) -> None:
        mean, deviation = (torch.tensor(m, device=device).view(1, -1, 1, 1) for m in data.moments)
        self.scale, self.shift = 1 / (255 * deviation), mean / deviation

    def __call__(self, pixels: Tensor) -> Tensor:
        values = pixels.float() * self.scale - self.shift
        return values.contiguous(memory_format=torch.channels_last)


def training_batches(
    images: Pixels, recipe: Recipe, mirrored: bool, epoch: int, classes: int = 0
) -> Iterator[Batch]:
    """Yields the batches of one epoch, each (pixels of uint8, labels); where the recipe mixes
    images the labels are shares (N, `classes`).

    Order and augmentation depend on the recipe's seed and the epoch alone, so a training can go on
    at any epoch. They are drawn on the CPU, so they are the same on every device.
    """
    generator = torch.Generator().manual_seed(mixed_seed(recipe.seed, epoch))
    order = _order(images.labels, recipe, generator)
    flip = mirrored if recipe.flip is None else recipe.flip
    padding = [round(recipe.crop * side) for side in sides(images.resolution)]
    device = images.labels.device
    size = recipe.batch_size
    for start in range(0, recipe.steps_per_epoch(len(images)) * size, size):
        chosen = order[start : start + size].to(device)
        pixels = images[chosen]
        if any(padding):
            each = [torch.randint(2 * p + 1, (len(chosen),), generator=generator) for p in padding]
            pixels = shifted(pixels, padding, torch.stack(each).to(device))
        if flip:
            turned = torch.rand(len(chosen), generator=generator) < 0.5
            pixels = torch.where(turned.to(device).view(-1, 1, 1, 1), pixels.flip(-1), pixels)
        pixels, labels = augmented(pixels, recipe, generator), images.labels[chosen]
        if recipe.mixup or recipe.cutmix:
            pixels, labels = mixed(pixels, labels, classes, recipe, generator)
        yield pixels, labels


Batch = tuple[Tensor, Tensor]


def _order(labels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """The images of an epoch: each once, or as many of each class by chance."""
    if recipe.balance != "sampling":
        return torch.randperm(len(labels), generator=generator)
    weights = class_weights(labels.cpu())[labels.cpu()]
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)


def subset(images: Images, recipe: Recipe) -> Images:
    """As many of the images as the recipe takes, drawn by its seed."""
    count = recipe.images
    if count is None or count == len(images.labels):
        return images
    rng = np.random.default_rng(mixed_seed(recipe.seed, SUBSET))
    return images.take(np.sort(rng.permutation(len(images.labels))[:count]))


def class_weights(labels: Tensor, classes: int = 0) -> Tensor:
    """What each class counts for, so that all count for as much as they would if they were equal in
    size: a mean of 1 over the images. A class without images counts for 0."""
    counts = labels.bincount(minlength=classes)
    weights = len(labels) / (counts.clamp(min=1) * (counts > 0).sum())
    return torch.where(counts > 0, weights, torch.zeros_like(weights))


def shifted(pixels: Tensor, padding: Sequence[int], offsets: Tensor) -> Tensor:
    """Images (N, C, H, W) padded with so many rows and columns of zeros on each side and cut back
    at `offsets` (2, N), rows and columns."""
    n, c, h, w = pixels.shape
    padded = functional.pad(pixels, (padding[1],) * 2 + (padding[0],) * 2)
    rows = offsets[0].view(n, 1, 1, 1) + torch.arange(h, device=pixels.device).view(1, 1, h, 1)
    columns = offsets[1].view(n, 1, 1, 1) + torch.arange(w, device=pixels.device).view(1, 1, 1, w)
    image = torch.arange(n, device=pixels.device).view(n, 1, 1, 1)
    channel = torch.arange(c, device=pixels.device).view(1, c, 1, 1)
    return padded[image, channel, rows, columns]


def mixed_seed(seed: int, stream: int) -> int:
    """The seed of one stream of a training's random numbers; streams have different seeds."""
    return int(np.random.SeedSequence((seed, stream)).generate_state(1)[0])
