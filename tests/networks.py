"""Small modules, and noise to run them on."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def plain(*widths: int, kernel: int = 3) -> nn.Module:
    """Convolutions and ReLUs, 4 classes."""
    rows: list[nn.Module] = []
    c = 3
    for width in widths:
        rows += [nn.Conv2d(c, width, kernel, padding=kernel // 2, bias=False), nn.ReLU()]
        c = width
    return nn.Sequential(*rows, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 4, bias=False))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
