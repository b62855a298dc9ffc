"""RepVGG (Ding et al. 2021) and MobileOne (Vasu et al. 2023), counted as they are deployed."""

from functools import partial

from nas.blocks import Block
from nas.references.table import Layout, Published, Reference, classifier

REPVGG_PAPER = "Ding et al. 2021, RepVGG"
MOBILEONE_PAPER = "Vasu et al. 2023, MobileOne"


def repvgg(stem: int, widths: tuple[int, ...], repeats: tuple[int, ...], classes: int) -> Layout:
    stages = tuple(
        (Block("repvgg", out=out, stride=2), *[Block("repvgg", out=out)] * (n - 1))
        for out, n in zip(widths, repeats, strict=True)
    )
    return Layout((Block("repvgg", out=stem, stride=2),), stages, classifier(classes))


def _mobileone(stem: int, widths: tuple[int, ...], branches: int, classes: int) -> Layout:
    def row(out: int, stride: int = 1) -> Block:
        return Block("mobileone", out=out, stride=stride, branches=branches)

    stages = tuple(
        (row(out, 2), *[row(out)] * (n - 1)) for out, n in zip(widths, (2, 8, 10, 1), strict=True)
    )
    return Layout((Block("repvgg", out=stem, stride=2),), stages, classifier(classes))


NETWORKS = {
    "repvgg_a0": Reference(
        partial(repvgg, 48, (48, 96, 192, 1280), (2, 4, 14, 1)), Published(72.41, REPVGG_PAPER)
    ),
    "mobileone_s0": Reference(
        partial(_mobileone, 48, (48, 128, 256, 1024), 4), Published(71.4, MOBILEONE_PAPER)
    ),
    "mobileone_s1": Reference(
        partial(_mobileone, 64, (96, 192, 512, 1280), 1), Published(75.9, MOBILEONE_PAPER)
    ),
}
