"""The networks of FBNet's search space (Wu et al. 2019), decoded from 22 choices.

Every block has its 1x1 expansion, even at expansion 1, as in the paper.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import NamedTuple

from nas.architecture import Architecture
from nas.blocks import Block
from nas.references.table import classifier
from nas.support.errors import NasError, one_of


class Choice(NamedTuple):
    """A block: its kernel, its expansion and the groups of both 1x1 convolutions."""

    kernel: int
    expansion: int
    groups: int


CHOICES: dict[str, Choice | None] = {
    "k3_e1": Choice(3, 1, 1),
    "k3_e1_g2": Choice(3, 1, 2),
    "k3_e3": Choice(3, 3, 1),
    "k3_e6": Choice(3, 6, 1),
    "k5_e1": Choice(5, 1, 1),
    "k5_e1_g2": Choice(5, 1, 2),
    "k5_e3": Choice(5, 3, 1),
    "k5_e6": Choice(5, 6, 1),
    "skip": None,
}
STEM = 16
WIDTHS = (16, 24, 32, 64, 112, 184, 352)
DEPTHS = (1, 4, 4, 4, 4, 4, 1)
LAYERS = sum(DEPTHS)


class Variant(NamedTuple):
    """A layout of the space: the input's side in pixels, the strides of the stem and of each
    stage's first layer, the channels of the head and the number of classes."""

    resolution: int
    stem_stride: int
    strides: tuple[int, ...]
    head: int
    classes: int


VARIANTS = {
    "cifar100": Variant(32, 1, (1, 1, 2, 2, 1, 2, 1), 1504, 100),  # as in HW-NAS-Bench
    "imagenet": Variant(224, 2, (1, 2, 2, 2, 1, 2, 1), 1984, 1000),  # as in the paper
}


def fbnet(choices: Iterable[int], variant: str = "cifar100") -> Architecture:
    """The network of FBNet's space with these 22 indices into `CHOICES`, for "cifar100" or
    "imagenet". A skip is an identity, or a strided 1x1 convolution where the shape changes.

    Errors: `NasError` naming the value and the rule for a wrong number of choices, for a choice
    that is no whole number from 0 to 8, and for an unknown variant.
    """
    try:
        resolution, stem_stride, strides, head, classes = VARIANTS[variant]
    except (KeyError, TypeError):
        raise one_of("FBNet variant", variant, VARIANTS) from None
    names = iter(_names(choices))
    c, stages = STEM, []
    for out, depth, stride in zip(WIDTHS, DEPTHS, strides, strict=True):
        stage = []
        for i in range(depth):
            stage.append(_row(CHOICES[next(names)], c, out, stride if i == 0 else 1))
            c = out
        stages.append(tuple(stage))
    stem = Block("conv", out=STEM, stride=stem_stride)
    last = Block("conv", out=head, kernel=1)
    return Architecture(resolution, (stem,), tuple(stages), (last, *classifier(classes)))


def _row(choice: Choice | None, c: int, out: int, stride: int) -> Block:
    if choice is None:
        return Block("skip", out=out, stride=stride)
    kernel, expansion, groups = choice
    return Block(
        "inverted",
        out=out,
        hidden=expansion * c,
        kernel=kernel,
        stride=stride,
        groups=groups,
        act="relu",
    )


def _names(choices: Iterable[int]) -> list[str]:
    if isinstance(choices, str | bytes) or not isinstance(choices, Iterable):
        raise NasError(f"FBNet choices must be {LAYERS} whole numbers, not {choices!r:.60}")
    values, names = list(choices), list(CHOICES)
    if len(values) != LAYERS:
        raise NasError(f"FBNet has {LAYERS} layers, one choice each, not {len(values)}")
    for layer, value in enumerate(values):
        try:
            number = -1 if isinstance(value, bool) else index(value)
        except TypeError:
            number = -1
        if not 0 <= number < len(names):
            rule = f"must be a whole number from 0 to {len(names) - 1}"
            raise NasError(f"FBNet choice {value!r:.40} of layer {layer} {rule}")
        values[layer] = number
    return [names[i] for i in values]
