"""Batches from a data set's images: resized once, then shuffled and augmented by a seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nas.data.dataset import DataSet, Images
from nas.training.recipe import Recipe

CHUNK = 1024


class Pixels:
    """Images on a device as (N, C, R, R) of uint8, with their labels (N,)."""

    def __init__(self, images: Images, resolution: int, device: torch.device) -> None:
        pixels = torch.from_numpy(np.ascontiguousarray(images.pixels))
        self.pixels = resized(pixels, resolution).to(device)
        self.labels = torch.from_numpy(images.labels).to(device)

    def __len__(self) -> int:
        return len(self.labels)


def resized(pixels: Tensor, resolution: int) -> Tensor:
    """Images (N, C, H, W) of uint8 resized to (N, C, `resolution`, `resolution`): bilinear, with
    antialiasing."""
    if pixels.shape[-2:] == (resolution, resolution):
        return pixels
    parts = [
        functional.interpolate(
            part.float(), (resolution, resolution), mode="bilinear", antialias=True
        )
        .round()
        .clamp(0, 255)
        .byte()
        for part in torch.split(pixels, CHUNK)
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


def training_batches(images: Pixels, recipe: Recipe, mirrored: bool, epoch: int) -> Iterator[Batch]:
    """Yields the batches of one epoch, each (pixels of uint8, labels).

    Order and augmentation depend on the recipe's seed and the epoch alone, so a training can go on
    at any epoch. They are drawn on the CPU, so they are the same on every device.
    """
    generator = torch.Generator().manual_seed(mixed_seed(recipe.seed, epoch))
    order = torch.randperm(len(images), generator=generator)
    flip = mirrored if recipe.flip is None else recipe.flip
    padding = round(recipe.crop * images.pixels.shape[-1])
    device = images.labels.device
    for start in range(
        0, steps_per_epoch(len(images), recipe) * recipe.batch_size, recipe.batch_size
    ):
        chosen = order[start : start + recipe.batch_size].to(device)
        pixels = images.pixels[chosen]
        if padding:
            offsets = torch.randint(2 * padding + 1, (2, len(chosen)), generator=generator)
            pixels = shifted(pixels, padding, offsets.to(device))
        if flip:
            turned = torch.rand(len(chosen), generator=generator) < 0.5
            pixels = torch.where(turned.to(device).view(-1, 1, 1, 1), pixels.flip(-1), pixels)
        yield pixels, images.labels[chosen]


Batch = tuple[Tensor, Tensor]


def shifted(pixels: Tensor, padding: int, offsets: Tensor) -> Tensor:
    """Images (N, C, H, W) padded with zeros and cut back at `offsets` (2, N), rows and columns."""
    n, c, h, w = pixels.shape
    padded = functional.pad(pixels, (padding,) * 4)
    rows = offsets[0].view(n, 1, 1, 1) + torch.arange(h, device=pixels.device).view(1, 1, h, 1)
    columns = offsets[1].view(n, 1, 1, 1) + torch.arange(w, device=pixels.device).view(1, 1, 1, w)
    image = torch.arange(n, device=pixels.device).view(n, 1, 1, 1)
    channel = torch.arange(c, device=pixels.device).view(1, c, 1, 1)
    return padded[image, channel, rows, columns]


def steps_per_epoch(images: int, recipe: Recipe) -> int:
    """The number of whole batches in that many images."""
    return images // recipe.batch_size


def mixed_seed(seed: int, stream: int) -> int:
    """The seed of one stream of a training's random numbers; streams have different seeds."""
    return int(np.random.SeedSequence((seed, stream)).generate_state(1)[0])
