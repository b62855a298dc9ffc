"""ShuffleNetV1 (Zhang et al. 2018) with 3 groups and V2 (Ma et al. 2018), two layouts of each.

V1 has a classifier with a bias (imgclsmob) or without one (Megvii, the authors: `_nobias`). V2 is
torchvision's, or Megvii's (`_megvii`), where the second branch of a strided unit keeps the input's
channels and the classifier has no bias.
"""

from functools import partial

from nas.architecture import Rows
from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, classifier

REPEATS = (4, 8, 4)
MEGVII = "Megvii's ShuffleNet-Series weights"
MEGVII_V1 = f"{MEGVII}, whose classifier has no bias"
STEM = 24  # channels in every V2


def _stem(width: int) -> Rows:
    return (Block("conv", out=width, stride=2), Block("maxpool"))


def shufflenet_v1(
    stem: int, width: int, classes: int, bias: bool = True, groups: int = 3
) -> Layout:
    stages = []
    for i, n in enumerate(REPEATS):
        out = width << i
        row = partial(Block, "shuffle_v1", out=out, hidden=out // 4, groups=groups)
        first = row(stride=2, expand_groups=None if i else 1)
        stages.append((first, *[row()] * (n - 1)))
    return Layout(_stem(stem), tuple(stages), classifier(classes, bias))


def _shufflenet_v2(
    widths: tuple[int, int, int], last: int, classes: int, megvii: bool = False
) -> Layout:
    c, stages = STEM, []
    for out, n in zip(widths, REPEATS, strict=True):
        left = c if megvii and 2 * c != out else 0
        first = Block("shuffle", out=out, left=left, stride=2)
        stages.append((first, *[Block("shuffle", out=out)] * (n - 1)))
        c = out
    head = (Block("conv", out=last, kernel=1), *classifier(classes, bias=not megvii))
    return Layout(_stem(STEM), tuple(stages), head)


V1 = (
    ("shufflenet_v1_x0_5", 12, 120, 57.3),
    ("shufflenet_v1_x1_0", 24, 240, 67.8),
    ("shufflenet_v1_x1_5", 24, 360, 71.6),
    ("shufflenet_v1_x2_0", 48, 480, 74.1),
)
# The last two are the top-1 of torchvision's weights and that of Megvii's.
V2 = (
    ("shufflenet_v2_x0_5", (48, 96, 192), 1024, (60.552, 61.1)),
    ("shufflenet_v2_x1_0", (116, 232, 464), 1024, (69.362, 69.4)),
    ("shufflenet_v2_x1_5", (176, 352, 704), 1024, (72.996, 72.6)),
    ("shufflenet_v2_x2_0", (244, 488, 976), 2048, (76.230, 75.0)),
)

NETWORKS = {
    name + suffix: Reference(
        partial(shufflenet_v1, stem, width, bias=not suffix), Published(top1, source)
    )
    for name, stem, width, top1 in V1
    for suffix, source in (("", MEGVII_V1), ("_nobias", MEGVII))
} | {
    name + suffix: Reference(
        partial(_shufflenet_v2, widths, last, megvii=bool(suffix)), Published(top1, source)
    )
    for name, widths, last, accuracies in V2
    for suffix, source, top1 in zip(("", "_megvii"), (TORCHVISION, MEGVII), accuracies, strict=True)
}
