"""ShuffleNetV2 (Ma et al. 2018) in torchvision's layout."""

from functools import partial

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, classifier

REPEATS = (4, 8, 4)
STEM = (Block("conv", out=24, stride=2), Block("maxpool"))


def _shufflenet_v2(widths: tuple[int, int, int], last: int, classes: int) -> Layout:
    stages = tuple(
        (Block("shuffle", out=out, stride=2), *[Block("shuffle", out=out)] * (n - 1))
        for out, n in zip(widths, REPEATS, strict=True)
    )
    return Layout(STEM, stages, (Block("conv", out=last, kernel=1), *classifier(classes)))


NETWORKS = {
    name: Reference(partial(_shufflenet_v2, widths, last), Published(top1, TORCHVISION))
    for name, widths, last, top1 in (
        ("shufflenet_v2_x0_5", (48, 96, 192), 1024, 60.552),
        ("shufflenet_v2_x1_0", (116, 232, 464), 1024, 69.362),
        ("shufflenet_v2_x1_5", (176, 352, 704), 1024, 72.996),
        ("shufflenet_v2_x2_0", (244, 488, 976), 2048, 76.230),
    )
}
