"""The networks of NAS-Bench-201 (Dong and Yang 2020), each given by its cell."""

from __future__ import annotations

from nas.architecture import Architecture, check_size
from nas.blocks import Block
from nas.blocks.cell import edges_of
from nas.references.table import classifier
from nas.support.errors import NasError

RESOLUTION = 32
WIDTHS = (16, 32, 64)
CELLS = 5  # in each stage


def nasbench201(cell: str, classes: int = 10) -> Architecture:
    """The CIFAR network of NAS-Bench-201 with this cell, such as
    `"|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"`.

    Errors: `NasError` naming the node of the cell, the value and the rule, or for wrong `classes`.
    """
    if not isinstance(cell, str):
        raise NasError(f"a NAS-Bench-201 cell must be text, not {cell!r:.60}")
    edges_of(cell)
    stages = []
    for i, width in enumerate(WIDTHS):
        reduction = () if i == 0 else (Block("cell_reduce", out=width),)
        stages.append(reduction + (Block("cell", genotype=cell),) * CELLS)
    stem = Block("conv", out=WIDTHS[0], act=None)
    head = (Block("activate"), *classifier(check_size(classes, "classes")))
    return Architecture(RESOLUTION, (stem,), tuple(stages), head)
