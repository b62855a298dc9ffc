"""The types of the tables of published networks, and the rows that these share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from nas.architecture import Rows
from nas.blocks import Block

TORCHVISION = "torchvision model documentation, IMAGENET1K_V1 weights"


class Published(NamedTuple):
    """The ImageNet-1k top-1 accuracy in percent at the network's own resolution, and its source.

    Without a published accuracy `top1` is None, and `source` says why.
    """

    top1: float | None
    source: str


class Layout(NamedTuple):
    """The rows of a network."""

    stem: Rows
    stages: tuple[Rows, ...]
    head: Rows


class Reference(NamedTuple):
    """A published network: `layout(classes)` gives its rows; `resolution`, in pixels, and `classes`
    are its own."""

    layout: Callable[[int], Layout]
    published: Published
    resolution: int = 224
    classes: int = 1000


def by_stride(rows: Iterable[Block]) -> tuple[Rows, ...]:
    """The stages of a flat list of rows: each row with a stride above 1 begins a stage."""
    stages: list[list[Block]] = []
    for row in rows:
        if row.strides or not stages:
            stages.append([])
        stages[-1].append(row)
    return tuple(map(tuple, stages))


def classifier(classes: int, bias: bool = True) -> Rows:
    """The rows of a classifier: global average pooling and one fully connected layer."""
    return (Block("gap"), Block("linear", out=classes, bias=bias))
