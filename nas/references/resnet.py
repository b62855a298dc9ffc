"""ResNet (He et al. 2016) as in torchvision: the stride is in the 3x3 convolution."""

from functools import partial

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, classifier

WIDTHS = (64, 128, 256, 512)
STEM = (Block("conv", out=64, kernel=7, stride=2), Block("maxpool"))


def _resnet(kind: str, expansion: int, repeats: tuple[int, ...], classes: int) -> Layout:
    stages = tuple(
        tuple(
            Block(kind, out=expansion * c, hidden=c, stride=2 if i == 0 and c > 64 else 1)
            for i in range(n)
        )
        for c, n in zip(WIDTHS, repeats, strict=True)
    )
    return Layout(STEM, stages, classifier(classes))


NETWORKS = {
    name: Reference(partial(_resnet, kind, expansion, repeats), Published(top1, TORCHVISION))
    for name, kind, expansion, repeats, top1 in (
        ("resnet18", "basic", 1, (2, 2, 2, 2), 69.758),
        ("resnet34", "basic", 1, (3, 4, 6, 3), 73.314),
        ("resnet50", "bottleneck", 4, (3, 4, 6, 3), 76.130),
        ("resnet101", "bottleneck", 4, (3, 4, 23, 3), 77.374),
        ("resnet152", "bottleneck", 4, (3, 8, 36, 3), 78.312),
    )
}
