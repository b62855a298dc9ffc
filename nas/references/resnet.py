"""ResNet (He et al. 2016) as in torchvision: the stride is in the 3x3 convolution.

imgclsmob's narrower and shallower ones, with squeeze-and-excitation too, are `resnet` with other
`repeats`, `width` and `se`.
"""

from functools import partial

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, classifier

WIDTHS = (64, 128, 256, 512)
STEM = 64
SE_REDUCTION = 16


def resnet(
    kind: str,
    expansion: int,
    repeats: tuple[int, ...],
    classes: int,
    width: float = 1.0,
    se: bool = False,
) -> Layout:
    """`width` scales every layer but the last, as imgclsmob does."""
    stem = (Block("conv", out=int(STEM * width), kernel=7, stride=2), Block("maxpool"))
    stages = []
    for s, (c, n) in enumerate(zip(WIDTHS, repeats, strict=True)):
        stage = []
        for i in range(n):
            last = s == len(WIDTHS) - 1 and i == n - 1
            hidden = c if last else int(c * width)
            out = expansion * hidden
            gate = {"se": out // SE_REDUCTION} if se else {}
            stride = 2 if i == 0 and s > 0 else 1
            stage.append(Block(kind, out=out, hidden=hidden, stride=stride, **gate))
        stages.append(tuple(stage))
    return Layout(stem, tuple(stages), classifier(classes))


NETWORKS = {
    name: Reference(partial(resnet, kind, expansion, repeats), Published(top1, TORCHVISION))
    for name, kind, expansion, repeats, top1 in (
        ("resnet18", "basic", 1, (2, 2, 2, 2), 69.758),
        ("resnet34", "basic", 1, (3, 4, 6, 3), 73.314),
        ("resnet50", "bottleneck", 4, (3, 4, 6, 3), 76.130),
        ("resnet101", "bottleneck", 4, (3, 4, 23, 3), 77.374),
        ("resnet152", "bottleneck", 4, (3, 8, 36, 3), 78.312),
    )
}
