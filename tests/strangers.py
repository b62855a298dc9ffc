"""Networks as other people write them, in plain torch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


def unit(
    i: int, o: int, k: int = 3, s: int = 1, g: int = 1, act: Callable[[], nn.Module] = nn.ReLU
) -> nn.Sequential:
    conv = nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(o), act())


class Residual(nn.Module):
    """ResNet: a shortcut with and without a convolution, a flattened head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(unit(3, 8, 7, 2), nn.MaxPool2d(3, 2, 1))
        self.a = nn.Sequential(unit(8, 8), unit(8, 8, act=nn.Identity))
        self.b = nn.Sequential(unit(8, 16, s=2), unit(16, 16, act=nn.Identity))
        self.down = unit(8, 16, 1, 2, act=nn.Identity)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = functional.relu(x + self.a(x))
        x = functional.relu(self.down(x) + self.b(x))
        logits: Tensor = self.fc(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))
        return logits.softmax(1)


class Mobile(nn.Module):
    """MobileNet: depthwise, ReLU6, hard-swish, squeeze-and-excitation, dropout, two linear ones."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 8, s=2, act=nn.Hardswish)
        self.a = nn.Sequential(unit(8, 24, 1, act=nn.ReLU6), unit(24, 24, 5, g=24, act=nn.ReLU6))
        self.down, self.up = nn.Conv2d(24, 8, 1), nn.Conv2d(8, 24, 1)
        self.b = unit(24, 8, 1, act=nn.Identity)
        self.head = nn.Sequential(
            nn.Linear(8, 12), nn.BatchNorm1d(12), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(12, 5)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.a(x)
        gate = self.up(functional.relu(self.down(y.mean((2, 3), keepdim=True))))
        x = x + self.b(y * functional.hardsigmoid(gate))
        logits: Tensor = self.head(x.mean([2, 3]))
        return logits


class Shuffle(nn.Module):
    """ShuffleNet: chunks, concatenation, channel shuffles written out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 8)
        self.a = nn.Sequential(unit(4, 4, 1), unit(4, 4, g=4, act=nn.Identity), unit(4, 4, 1))
        self.grouped = unit(8, 12, 1, g=4)
        self.fc = nn.Conv2d(12, 5, 1)

    def shuffle(self, x: Tensor, groups: int) -> Tensor:
        n, c, h, w = x.shape
        return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.stem(x).chunk(2, dim=1)
        x = self.shuffle(torch.cat([left, self.a(right)], 1), 2)
        x = self.shuffle(self.grouped(x), 4)
        logits: Tensor = self.fc(functional.avg_pool2d(x, 16))
        return logits.flatten(1)


class UNet(nn.Module):
    """Two maps: resized both ways, a transposed convolution, dilation, a crop of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = unit(3, 6, s=2), unit(6, 8, s=2, act=nn.SiLU)
        self.wide = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.up = nn.ConvTranspose2d(8, 6, 3, 2, 1, output_padding=1, groups=2)
        self.norm = nn.BatchNorm2d(6)
        self.mask, self.edge = nn.Conv2d(12, 2, 1), nn.Conv2d(8, 1, (1, 3), (1, 2), (0, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a = self.a(x)
        b = functional.leaky_relu(self.wide(self.b(a)), 0.1)
        up = functional.relu(self.norm(self.up(b)))
        mask = self.mask(torch.cat([a, up], 1))
        mask = functional.interpolate(mask, scale_factor=2.0, mode="bilinear", align_corners=False)
        edge = functional.interpolate(self.edge(b), scale_factor=2.0, mode="nearest")
        return torch.sigmoid(mask), edge[:, :, 1:-1].tanh()


class Yolo(nn.Module):
    """A detector's trunk: cross-stage parts, pooled at several sizes, SiLU, a bare norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.split = unit(3, 8, s=2, act=nn.SiLU), unit(8, 8, 1, act=nn.SiLU)
        self.part = unit(4, 4, act=nn.SiLU)
        self.merge = unit(12, 8, 1, act=nn.SiLU)
        self.norm = nn.BatchNorm2d(32)
        self.head = nn.Conv2d(32, 7, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.split(self.stem(x)).split((4, 4), 1))
        parts.append(parts[-1] + self.part(parts[-1]))
        x = self.merge(torch.cat(parts, 1))
        pooled = [x]
        for _ in range(3):
            pooled.append(functional.max_pool2d(pooled[-1], 5, 1, 2))
        boxes: Tensor = self.head(functional.gelu(self.norm(torch.cat(pooled, 1))))
        return boxes.flatten(2)


class Padded(nn.Module):
    """As TensorFlow pads and scales: more below and to the right, pixels of 0 to 255, averages that
    leave padding out."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 6, 3, 2)
        self.b = nn.Conv2d(6, 6, 3, 2, groups=6)
        self.scale = nn.Parameter(torch.tensor([0.5, -1.0, 2.0, 0.1, 1.5, -0.2]).view(6, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = (x * 0.5 - 0.1) / 2 + 1
        x = functional.relu6(self.a(functional.pad(x, (0, 1, 0, 1))))
        x = x * self.scale + 0.3
        x = functional.pad(x, (0, 1, 0, 1))
        x = functional.hardtanh(self.b(x), -0.5, 1.5)
        x = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False, ceil_mode=True)
        return (1 - x).amax((2, 3)) - x.mean(2).mean(2)


class Attention(nn.Module):
    """YOLO11's attention between convolutions, and a vision transformer's, whose queries, keys and
    values are cut out of five dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.qkv = unit(3, 8, s=8, act=nn.SiLU), nn.Conv2d(8, 16, 1)
        self.place, self.out = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 8, 1)
        self.norm, self.three = nn.LayerNorm(8, eps=1e-3), nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        n, c, h, w = x.shape
        q, k, v = self.qkv(x).view(n, 2, 8, h * w).split([2, 2, 4], dim=2)
        weights = (q.transpose(-2, -1) @ k * 0.7).softmax(-1)
        mixed = (v @ weights.transpose(-2, -1)).view(n, c, h, w)
        x = x + self.out(mixed + self.place(v.reshape(n, c, h, w)))
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        q, k, v = self.three(tokens).reshape(n, h * w, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        both: Tensor = torch.cat([tokens, mixed.transpose(1, 2).flatten(2)], 2)
        return both


class Groups(nn.Module):
    """Norms over groups of channels, over all, and over each map, with and without weights."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 12, 3, 2, 1), nn.Conv2d(12, 8, 1, bias=False)
        self.groups, self.all = nn.GroupNorm(4, 12), nn.GroupNorm(1, 8, eps=1e-3, affine=False)
        self.each, self.bare = nn.InstanceNorm2d(8, affine=True), nn.InstanceNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.all(self.b(functional.silu(self.groups(self.a(x)))))
        bare: Tensor = self.bare(functional.relu(self.each(x)))
        return bare


class Selective(nn.Module):
    """SKNet's choice between two kernels, of five dimensions; CBAM's attention to places."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(3, 8, 5, 2, 2)
        self.choice, self.place = nn.Conv2d(8, 16, 1), nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.stack([self.a(x), self.b(x)], 1)
        choice = self.choice(x.sum(1).mean((2, 3), keepdim=True)).view(1, 2, 8, 1, 1)
        x = (x * choice.softmax(1)).sum(1)
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.place(seen))


class LinearAttention(nn.Module):
    """EfficientViT's attention without a softmax, and the quotients of numbers and maps."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(3, 24, 3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).view(1, 3, 8, 64).unbind(1)
        q, k = q.relu(), k.relu()
        v = functional.pad(v, (0, 0, 0, 1), value=1.0)
        mixed = v @ k.transpose(-1, -2) @ q
        mixed = (mixed[:, :-1] / (mixed[:, -1:] + 1e-5)).view(1, 8, 8, 8)
        places = q.view(1, 8, 8, 8)
        context = (mixed.mean((2, 3), keepdim=True) + 1).expand(1, 8, 8, 8)
        both: Tensor = mixed / (2 + places[:, :1]) + 3 / (1 + places) + context
        return both


class Windows(nn.Module):
    """Swin's attention inside windows that are shifted: six dimensions, of which four move."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.bias = nn.Parameter(torch.randn(2, 16, 16))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).permute(0, 2, 3, 1)
        parts = torch.roll(self.norm(x), (-2, -2), (1, 2)).view(1, 2, 4, 2, 4, 8)
        tokens = parts.permute(0, 1, 3, 2, 4, 5).reshape(4, 16, 8)
        q, k, v = self.qkv(tokens).reshape(4, 16, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1) + self.bias).softmax(-1)
        tokens = self.out((weights @ v).transpose(1, 2).reshape(4, 16, 8))
        parts = tokens.view(1, 2, 2, 4, 4, 8).permute(0, 1, 3, 2, 4, 5).reshape(1, 8, 8, 8)
        return x + torch.roll(parts, (2, 2), (1, 2))


STRANGERS = (
    Residual,
    Mobile,
    Shuffle,
    UNet,
    Yolo,
    Padded,
    Attention,
    Groups,
    Selective,
    LinearAttention,
    Windows,
)
