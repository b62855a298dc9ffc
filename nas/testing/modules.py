"""Small modules as users write them: submodules or functions, in place or not, with odd sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """A gate for each channel."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(c, 4, 1), nn.Conv2d(4, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        s = F.adaptive_avg_pool2d(x, 1)
        gate: Tensor = self.up(F.relu(self.down(s)))
        return x * torch.sigmoid(gate)


class Inverted(nn.Module):
    """Depthwise, squeeze-and-excite, hard-swish and a shortcut, whose sum is in place."""

    def __init__(self, c: int, out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c, 3 * c, 1, bias=False), nn.BatchNorm2d(3 * c), nn.Hardswish(inplace=True),
            nn.Conv2d(3 * c, 3 * c, 5, stride, 2, groups=3 * c, bias=False),
            nn.BatchNorm2d(3 * c), SqueezeExcite(3 * c), nn.ReLU6(inplace=True),
            nn.Conv2d(3 * c, out, 1, bias=False), nn.BatchNorm2d(out),
        )  # fmt: skip
        self.shortcut = stride == 1 and c == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        if self.shortcut:
            y += x
        return y


def mobile() -> nn.Module:
    """A small MobileNet with dropout, 5 classes."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.SiLU(),
        Inverted(8, 8, 1), Inverted(8, 12, 2), Inverted(12, 12, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(12, 5),
    )  # fmt: skip


class Functional(nn.Module):
    """A network whose submodules are convolutions: everything else is a function or a method."""

    def __init__(self, *, inplace: bool = True) -> None:
        super().__init__()
        self.inplace = inplace
        self.first = nn.Conv2d(3, 10, 3, padding=1)
        self.grouped = nn.Conv2d(10, 10, 3, padding=1, groups=2)
        self.last = nn.Conv2d(20, 6, 3, stride=2)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x), inplace=self.inplace)
        y = self.grouped(x).relu_() if self.inplace else torch.relu(self.grouped(x))
        x = F.relu6(self.last(torch.cat([x, y], 1)), self.inplace)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def grouped_norm() -> nn.Module:
    """Grouped convolutions, group norms and a pooling, 3 classes."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, groups=4), nn.GroupNorm(4, 16), nn.GELU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip


MODULES: Mapping[str, Callable[[], nn.Module]] = {
    "mobile": mobile,
    "functional": Functional,
    "group norm": grouped_norm,
}
