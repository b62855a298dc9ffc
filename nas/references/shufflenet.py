"""ShuffleNetV1 (Zhang et al. 2018) with 3 groups, V2 (Ma et al. 2018) in torchvision's layout."""

from functools import partial

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, classifier

REPEATS = (4, 8, 4)
MEGVII = "Megvii's ShuffleNet-Series weights"


def _stem(width: int) -> tuple[Block, ...]:
    return (Block("conv", out=width, stride=2), Block("maxpool"))


def _shufflenet_v1(stem: int, width: int, classes: int) -> Layout:
    stages = []
    for i, n in enumerate(REPEATS):
        out = width << i
        row = partial(Block, "shuffle_v1", out=out, hidden=out // 4, groups=3)
        first = row(stride=2, expand_groups=None if i else 1)
        stages.append((first, *[row()] * (n - 1)))
    return Layout(_stem(stem), tuple(stages), classifier(classes))


def _shufflenet_v2(widths: tuple[int, int, int], last: int, classes: int) -> Layout:
    stages = tuple(
        (Block("shuffle", out=out, stride=2), *[Block("shuffle", out=out)] * (n - 1))
        for out, n in zip(widths, REPEATS, strict=True)
    )
    return Layout(_stem(24), stages, (Block("conv", out=last, kernel=1), *classifier(classes)))


NETWORKS = {
    name: Reference(partial(_shufflenet_v1, stem, width), Published(top1, MEGVII))
    for name, stem, width, top1 in (
        ("shufflenet_v1_x0_5", 12, 120, 57.3),
        ("shufflenet_v1_x1_0", 24, 240, 67.8),
        ("shufflenet_v1_x1_5", 24, 360, 71.6),
        ("shufflenet_v1_x2_0", 48, 480, 74.1),
    )
} | {
    name: Reference(partial(_shufflenet_v2, widths, last), Published(top1, TORCHVISION))
    for name, widths, last, top1 in (
        ("shufflenet_v2_x0_5", (48, 96, 192), 1024, 60.552),
        ("shufflenet_v2_x1_0", (116, 232, 464), 1024, 69.362),
        ("shufflenet_v2_x1_5", (176, 352, 704), 1024, 72.996),
        ("shufflenet_v2_x2_0", (244, 488, 976), 2048, 76.230),
    )
}
