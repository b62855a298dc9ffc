"""What a table of published networks is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from nas.architecture import Rows
from nas.blocks import KINDS, Block

TORCHVISION = "torchvision model documentation, IMAGENET1K_V1 weights"


class Published(NamedTuple):
    """ImageNet-1k top-1 accuracy in percent at the network's own resolution, and who reports it;
    None where nobody does, and why."""

    top1: float | None
    source: str


class Layout(NamedTuple):
    """The rows of a network."""

    stem: Rows
    stages: tuple[Rows, ...]
    head: Rows


class Reference(NamedTuple):
    """A published network: `layout(classes)` writes its rows; `resolution` is its own."""

    layout: Callable[[int], Layout]
    published: Published
    resolution: int = 224


def by_stride(rows: Iterable[Block]) -> tuple[Rows, ...]:
    """A flat list of rows as stages: each row that strides opens a stage."""
    stages: list[list[Block]] = []
    for row in rows:
        strides = "stride" in KINDS[row.kind].parameters and row.get("stride") != 1
        if strides or not stages:
            stages.append([])
        stages[-1].append(row)
    return tuple(map(tuple, stages))


def classifier(classes: int, bias: bool = True) -> Rows:
    """Global average pooling and one fully connected layer."""
    return (Block("gap"), Block("linear", out=classes, bias=bias))
