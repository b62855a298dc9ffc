"""Operations of graphs that torch has no module of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.graph import Shape


class Add(nn.Module):
    """Sum of its inputs."""

    def forward(self, *xs: Tensor) -> Tensor:
        total = xs[0]
        for x in xs[1:]:
            total = total + x
        return total


class Multiply(nn.Module):
    """Product of a tensor and a gate."""

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        return x * gate


class Divide(nn.Module):
    """Quotient of two tensors."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x / y


class MatMul(nn.Module):
    """Product of the matrices of two tensors, channel by channel."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x @ y


class Zero(nn.Module):
    """Zeros like its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.0


class Concat(nn.Module):
    """Concatenation along dimension `dim`: 1 channels, 2 rows."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *xs: Tensor) -> Tensor:
        return torch.cat(xs, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Slice(nn.Module):
    """`size` channels (or, for `dim` 2, rows) from `start` on."""

    def __init__(self, start: int, size: int, dim: int = 1) -> None:
        super().__init__()
        self.start, self.size, self.dim = start, size, dim

    def forward(self, x: Tensor) -> Tensor:
        return x.narrow(self.dim, self.start, self.size)

    def extra_repr(self) -> str:
        return f"start={self.start}, size={self.size}, dim={self.dim}"


class Swap(nn.Module):
    """Swaps dimension `dim` and the next one."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(self.dim, self.dim + 1)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(nn.Module):
    """Softmax over dimension `dim`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return x.softmax(self.dim)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Reshape(nn.Module):
    """The values of each image in another shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.shape)


class MeanPool(nn.Module):
    """Average pooling over padding (left, right, top, bottom) whose zeros do not count."""

    def __init__(
        self, kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, int, int, int]
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads = kernel, stride, pads

    def forward(self, x: Tensor) -> Tensor:
        inside = functional.pad(torch.ones_like(x[:1, :1]), self.pads)
        total, share = (
            functional.avg_pool2d(t, self.kernel, self.stride)
            for t in (functional.pad(x, self.pads), inside)
        )
        return total / share


class Chain(nn.Sequential):
    """Sequential whose first module may take several inputs."""

    def forward(self, *xs: Tensor) -> Tensor:
        modules = list(self)
        x: Tensor = modules[0](*xs) if modules else xs[0]
        for module in modules[1:]:
            x = module(x)
        return x
