"""Augmentation of batches of images beyond crops and flips: random numbers from the CPU alone."""

from __future__ import annotations

from collections.abc import Callable
from math import log, radians

import torch
from torch import Generator, Tensor
from torch.nn import functional

from nas.training.recipe import Recipe

RATIO = 4 / 3  # of the sides of a random crop, at most (Szegedy et al. 2015)
ERASED = (0.02, 0.33)  # share of the area (Zhong et al. 2020)
ROTATION, SHEAR, SHIFT = radians(30), 0.3, 0.25  # at most; of the side

Size = torch.Size | tuple[int, int]
Operation = Callable[[Tensor, Tensor], Tensor]


def augmented(pixels: Tensor, recipe: Recipe, generator: Generator) -> Tensor:
    """Images (N, C, H, W) of uint8 changed as the recipe says, each otherwise."""
    if recipe.resized_crop:
        pixels = resized_crop(pixels, recipe.resized_crop, generator)
    if recipe.trivial_augment:
        pixels = trivial_augment(pixels, generator)
    if recipe.erasing:
        pixels = erased(pixels, recipe.erasing, generator)
    return pixels


def resized_crop(pixels: Tensor, least: float, generator: Generator) -> Tensor:
    """A random part of each image, of `least` of its area or more, enlarged to its size: bilinear
    (Szegedy et al. 2015)."""
    n = len(pixels)
    area, stretch, x, y = _uniform(4, n, generator)
    area = least + (1 - least) * area
    ratio = torch.exp((2 * stretch - 1) * log(RATIO) / 2)
    width, height = (area.sqrt() * ratio).clamp(max=1), (area.sqrt() / ratio).clamp(max=1)
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0], matrix[:, 1, 1] = width, height
    matrix[:, 0, 2], matrix[:, 1, 2] = (1 - width) * (2 * x - 1), (1 - height) * (2 * y - 1)
    return warped(pixels, matrix, "border")


def warped(pixels: Tensor, matrix: Tensor, padding: str = "zeros") -> Tensor:
    """Each image (N, C, H, W) seen through a matrix (N, 2, 3) from places in the result to places
    in the image, both from -1 to 1; beyond its edges are zeros, or its "border" goes on."""
    grid = functional.affine_grid(matrix.to(pixels.device), list(pixels.shape), align_corners=False)
    return _bytes(
        functional.grid_sample(pixels.float(), grid, padding_mode=padding, align_corners=False)
    )


def trivial_augment(pixels: Tensor, generator: Generator) -> Tensor:
    """One operation on each image, drawn with its strength: TrivialAugment (Müller and Hutter
    2021)."""
    n = len(pixels)
    which = torch.randint(len(OPERATIONS), (n,), generator=generator)
    strength, sign = _uniform(2, n, generator)
    strength = torch.where(sign < 0.5, -strength, strength)
    result = pixels.clone()
    for index, operation in enumerate(OPERATIONS):
        chosen = torch.nonzero(which == index)[:, 0]
        if len(chosen):
            there = chosen.to(pixels.device)
            result[there] = operation(pixels[there], strength[chosen])
    return result


def erased(pixels: Tensor, probability: float, generator: Generator) -> Tensor:
    """Images of which a rectangle is set to noise, with this probability (Zhong et al. 2020)."""
    chance, area, stretch, x, y = _uniform(5, len(pixels), generator)
    area = ERASED[0] + (ERASED[1] - ERASED[0]) * area
    ratio = torch.exp((2 * stretch - 1) * log(RATIO) / 2)
    inside = _rectangles(area, ratio, x, y, pixels.shape[-2:])
    inside &= (chance < probability).view(-1, 1, 1)
    noise = torch.randint(256, pixels.shape, generator=generator, dtype=torch.uint8)
    where = inside.unsqueeze(1).to(pixels.device)
    return torch.where(where, noise.to(pixels.device), pixels)


def mixed(
    pixels: Tensor, labels: Tensor, classes: int, recipe: Recipe, generator: Generator
) -> tuple[Tensor, Tensor]:
    """A batch of which each image is mixed with another, and its labels as shares (N, classes).

    mixup (Zhang et al. 2018) adds the two, CutMix (Yun et al. 2019) puts a rectangle of one into
    the other; where the recipe has both, a batch gets either.
    """
    either = torch.rand((), generator=generator).item()
    cut = recipe.cutmix > 0 and (recipe.mixup == 0 or either < 0.5)
    share = _beta(recipe.cutmix if cut else recipe.mixup, generator)
    partner = torch.randperm(len(pixels), generator=generator).to(pixels.device)
    if cut:
        x, y = _uniform(2, 1, generator)
        area = torch.tensor([1 - share])
        inside = _rectangles(area, torch.ones(1), x, y, pixels.shape[-2:])
        share = 1 - inside.double().mean().item()
        pixels = torch.where(inside.unsqueeze(1).to(pixels.device), pixels[partner], pixels)
    else:
        pixels = _bytes(share * pixels.float() + (1 - share) * pixels[partner].float())
    targets = functional.one_hot(labels, classes).float()
    return pixels, share * targets + (1 - share) * targets[partner]


def _uniform(rows: int, n: int, generator: Generator) -> Tensor:
    return torch.rand((rows, n), generator=generator)


def _beta(alpha: float, generator: Generator) -> float:
    """A draw from Beta(alpha, alpha), from two Gamma draws."""
    a, b = torch._standard_gamma(torch.full((2,), alpha), generator=generator).tolist()
    return a / (a + b) if a + b else 0.5


def _rectangles(area: Tensor, ratio: Tensor, x: Tensor, y: Tensor, size: Size) -> Tensor:
    """Where the pixels (N, H, W) of rectangles are: of shares of the area, (N,), in an image made
    square width to height by `ratio` squared, at places `x`, `y` from 0 to 1."""
    columns = _between(x, (area.sqrt() * ratio * size[1]).round(), size[1])
    rows = _between(y, (area.sqrt() / ratio * size[0]).round(), size[0])
    return rows.unsqueeze(2) & columns.unsqueeze(1)


def _between(start: Tensor, length: Tensor, side: int) -> Tensor:
    first = (start * (side - length)).round().view(-1, 1)
    place = torch.arange(side)
    return (place >= first) & (place < first + length.view(-1, 1))


def _bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).byte()


def _blend(pixels: Tensor, other: Tensor, strength: Tensor) -> Tensor:
    """Away from the `other` image, or towards it: a strength of -0.9 to 0.9 of the difference."""
    factor = (1 + 0.9 * strength).view(-1, 1, 1, 1).to(pixels.device)
    return _bytes(other + factor * (pixels.float() - other))


def _grey(pixels: Tensor) -> Tensor:
    """The luma (N, 1, H, W), by ITU-R 601-2 where there are three channels."""
    values = pixels.float()
    if values.shape[1] != 3:
        return values.mean(1, keepdim=True)
    weights = torch.tensor([0.299, 0.587, 0.114], device=pixels.device).view(1, 3, 1, 1)
    return (values * weights).sum(1, keepdim=True)


def _autocontrast(pixels: Tensor, strength: Tensor) -> Tensor:
    values = pixels.float()
    low, high = values.amin((2, 3), keepdim=True), values.amax((2, 3), keepdim=True)
    return torch.where(high > low, _bytes((values - low) * 255 / (high - low).clamp(min=1)), pixels)


def _sharpness(pixels: Tensor, strength: Tensor) -> Tensor:
    smooth = functional.avg_pool2d(pixels.float(), 3, 1, 1, count_include_pad=False)
    return _blend(pixels, smooth, strength)


def _posterise(pixels: Tensor, strength: Tensor) -> Tensor:
    lost = (strength.abs() * 6).round().to(torch.int16).view(-1, 1, 1, 1).to(pixels.device)
    step = torch.ones_like(lost) << lost
    return (pixels.to(torch.int16) // step * step).byte()


def _solarise(pixels: Tensor, strength: Tensor) -> Tensor:
    limit = (255 * (1 - strength.abs())).view(-1, 1, 1, 1).to(pixels.device)
    return torch.where(pixels > limit, 255 - pixels, pixels)


def _moved(kind: str) -> Operation:
    def operation(pixels: Tensor, strength: Tensor) -> Tensor:
        matrix = torch.eye(2, 3).repeat(len(strength), 1, 1)
        tall = pixels.shape[-2] / pixels.shape[-1]  # places are shares of the sides
        if kind == "rotation":
            angle = ROTATION * strength
            matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos()
            matrix[:, 0, 1], matrix[:, 1, 0] = -angle.sin() * tall, angle.sin() / tall
        elif kind == "shear":
            matrix[:, 0, 1] = SHEAR * strength * tall
        elif kind == "tilt":
            matrix[:, 1, 0] = SHEAR * strength / tall
        else:
            matrix[:, 0 if kind == "x" else 1, 2] = 2 * SHIFT * strength
        return warped(pixels, matrix)

    return operation


OPERATIONS: tuple[Operation, ...] = (
    lambda pixels, strength: pixels,
    lambda pixels, strength: _blend(pixels, torch.zeros_like(pixels).float(), strength),
    lambda pixels, strength: _blend(pixels, _grey(pixels).mean((2, 3), keepdim=True), strength),
    lambda pixels, strength: _blend(pixels, _grey(pixels), strength),  # of a grey image: nothing
    _sharpness, _autocontrast, _posterise, _solarise,
    *map(_moved, ("rotation", "shear", "tilt", "x", "y")),
)  # fmt: skip
