"""MeCo (Jiang et al. 2023): the least eigenvalue of the channels' correlations; and of samples."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.proxies.layers import CONV
from nas.proxies.probe import Probe
from nas.proxies.registry import proxy

CHANNELS = 8
DRAWS = 16


def correlation(maps: Tensor) -> Tensor:
    """The correlations between the C rows of `maps` (..., C, P), as (..., C, C); a constant row
    gives zeros."""
    centred = maps - maps.mean(-1, keepdim=True)
    norm = centred.norm(dim=-1, keepdim=True)
    # A constant row's rounding is no signal.
    flat = norm <= 1e-6 * maps.norm(dim=-1, keepdim=True)
    unit = torch.where(flat, torch.zeros_like(centred), centred / norm.clamp(min=1e-30))
    return unit @ unit.mT


def least(matrices: Tensor) -> Tensor:
    """The least eigenvalue of each of `matrices` (..., C, C), as (...); not below 0."""
    values: Tensor = torch.linalg.eigvalsh(matrices.double())
    return values[..., 0].clamp(min=0)


@proxy(
    "meco",
    paper="Jiang et al. 2023, NeurIPS",
    needs=["data"],
    cost="1, and the eigenvalues of all channels",
    failure="0 for every convolution with fewer pixels than channels",
)
def meco(probe: Probe) -> float:
    """Sum over convolutions of the least eigenvalue of the correlations of one image's channels."""
    total = 0.0
    for i, layer in enumerate(probe.trace.layers):
        if layer.op == CONV and layer.is_map:
            c, h, w = layer.shape
            if c < h * w:
                total += least(correlation(probe.trace.values[i][0].reshape(c, -1))).item()
    return total


@proxy(
    "meco_sampled",
    paper="after Jiang et al. 2023, NeurIPS (their optimised form)",
    needs=["data"],
    cost="1",
    failure="knows the number of channels and pixels of a convolution, little of its input",
)
def meco_sampled(probe: Probe) -> float:
    """Sum over convolutions of c/8 times MeCo of 8 random channels of c, averaged over 16 draws,
    which take the images in turn."""
    generator = probe.generator(3)
    image = torch.arange(DRAWS)[:, None] % len(probe.batch)
    by_size: dict[int, list[tuple[float, Tensor]]] = {}  # one call for all matrices of a size
    for i, layer in enumerate(probe.trace.layers):
        if layer.op == CONV and layer.is_map:
            maps = probe.trace.values[i].flatten(2)
            c = maps.shape[1]
            k = min(c, CHANNELS)
            chosen = torch.rand(DRAWS, c, generator=generator).topk(k, largest=False).indices
            by_size.setdefault(k, []).append((c / k, correlation(maps[image, chosen])))
    total = 0.0
    for pairs in by_size.values():
        scales, matrices = zip(*pairs, strict=True)
        values = least(torch.stack(matrices)).mean(1)
        total += (values * torch.tensor(scales, dtype=values.dtype)).sum().item()
    return total
