"""The loss without a channel: an oracle by masking."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import BATCH, Subject

IMAGES, MASKS = 32, 8


@criterion(
    "oracle",
    source="Molchanov et al. 2017, arXiv 1611.06440 (their oracle)",
    needs=["weights", "images", "labels"],
    cost="one for each channel, of 32 images",
    failure="slow; measures one channel at a time, not those that go together",
)
def oracle(subject: Subject) -> Scores:
    """The rise of the mean loss where a channel's output is zero. Approximate: on 32 images."""
    images, labels = subject.images[:IMAGES], subject.labels[:IMAGES]
    scores, at_once = {}, max(1, MASKS * subject.batch // BATCH)
    with torch.no_grad():
        whole = functional.cross_entropy(subject.module(images), labels).item()
        for name, layer in subject.layers.items():
            masks = (1 - torch.eye(layer.node.shape[0])).split(at_once)
            losses = [_losses(subject, images, labels, name, part) for part in masks]
            scores[name] = torch.cat(losses).double().numpy() - whole
    return scores


def _losses(subject: Subject, images: Tensor, labels: Tensor, name: str, masks: Tensor) -> Tensor:
    """The mean losses with a layer's output masked by each of `masks` (M, C): as one batch."""
    count = len(masks)
    gate = masks.repeat_interleave(len(images), 0)[:, :, None, None]
    logits = subject.gated(images.repeat(count, 1, 1, 1), {name: gate})
    losses = functional.cross_entropy(logits, labels.repeat(count), reduction="none")
    return losses.view(count, -1).mean(1)
