"""Accuracy and loss of a module on images."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.resolution import sides
from nas.training.batches import Normalise, Pixels

BATCH, PIXELS = 250, 250 * 64**2  # images at once, at most; and pixels
NEAR, NEAR_PIXELS = 64, 8 * 224**2  # the same on a CPU: maps of more leave its caches


class Metrics(NamedTuple):
    """Accuracy, the share of images classified correctly from 0 to 1, and mean cross entropy."""

    accuracy: float
    loss: float


def evaluate(module: nn.Module, images: Pixels, normalise: Normalise) -> Metrics:
    """The metrics of a module in evaluation mode and float32; its mode is restored afterwards."""
    return metrics(logits(module, images, normalise), images.labels)


def logits(module: nn.Module, images: Pixels, normalise: Normalise) -> Tensor:
    """The outputs for every image, (N, classes)."""
    before = module.training
    most, pixels = (NEAR, NEAR_PIXELS) if images.labels.device.type == "cpu" else (BATCH, PIXELS)
    size = max(1, min(most, pixels // prod(sides(images.resolution))))
    module.eval()
    with torch.inference_mode():
        outputs = [module(normalise(part)) for part in images.split(size)]
    module.train(before)
    return torch.cat(outputs)


def metrics(outputs: Tensor, labels: Tensor) -> Metrics:
    """The metrics of outputs (N, classes) against labels (N,)."""
    right = (outputs.argmax(1) == labels).double().mean()
    loss = functional.cross_entropy(outputs.double(), labels)
    return Metrics(right.item(), loss.item())
