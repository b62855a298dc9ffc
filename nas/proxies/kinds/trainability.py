"""Trainability of AZ-NAS (Lee and Ham 2024): blocks that neither shrink nor blow up gradients."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy

SMALLEST = 1e-6
ITERATIONS = 30


@proxy(
    "trainability",
    paper="Lee and Ham 2024 (AZ-NAS), arXiv 2403.19232",
    needs=["data", "backward"],
    cost="2",
    failure="an estimate from few pixels is noise in late, wide blocks; undefined below two blocks",
)
def trainability(probe: Probe) -> float:
    """Mean over blocks of 2 - s - 1/s, where s is the spectral norm of the block's Jacobian.

    The Jacobian between channels is estimated as in the paper: noise of ±1 at the block's end is
    pulled back through the block and correlated with what arrives at its beginning.
    """
    if len(probe.blocks) < 2:
        raise UndefinedScore("the network has fewer than two blocks")
    generator, scores = probe.generator(4), []
    for before, after in pairwise(probe.blocks):
        end, start = probe.trace.tensor(after), probe.trace.edges[before]
        noise = 2.0 * torch.randint(2, end.shape, generator=generator) - 1
        assert start is not None
        (pulled,) = torch.autograd.grad(end, [start], noise.to(end), True, allow_unused=True)
        norm = 0.0 if pulled is None else spectral_norm(pulled, noise)
        norm = max(norm, SMALLEST)
        scores.append(2 - norm - 1 / norm)
    return sum(scores) / len(scores)


def spectral_norm(start: Tensor, end: Tensor) -> float:
    """The spectral norm of the Jacobian between channels: the mean over pixels of the products of
    the channels of `start` and `end`, both (N, C, H, W). Where `start` has more pixels they become
    channels.
    """
    scale = max(-(-a // b) for a, b in zip(start.shape[2:], end.shape[2:], strict=True))
    height, width = (scale * size for size in end.shape[2:])
    start = F.pad(start, (0, width - start.shape[3], 0, height - start.shape[2]))
    start = F.pixel_unshuffle(start, scale)
    a = start.transpose(0, 1).flatten(1)
    b = end.transpose(0, 1).flatten(1)
    vector = torch.ones(b.shape[0], dtype=b.dtype) / b.shape[0] ** 0.5
    norm = 0.0
    for _ in range(ITERATIONS):  # power iteration: the matrix of products may be large
        image = a @ (b.T @ vector) / b.shape[1]
        vector = b @ (a.T @ image) / b.shape[1]
        norm = float(vector.norm())
        if norm == 0:
            break
        vector = vector / norm
    return float(norm**0.5)
