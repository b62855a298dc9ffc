"""DenseNet (Huang et al. 2017) as in torchvision."""

from functools import partial

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, classifier


def densenet(growth: int, stem: int, repeats: tuple[int, ...], classes: int) -> Layout:
    layer = Block("dense", growth=growth, hidden=4 * growth)
    c, stages = stem, []
    for i, n in enumerate(repeats):
        transition = (Block("dense_transition", out=c // 2),) if i else ()
        c = (c // 2 if i else c) + n * growth
        stages.append((*transition, *[layer] * n))
    first = (Block("conv", out=stem, kernel=7, stride=2), Block("maxpool"))
    return Layout(first, tuple(stages), (Block("activate"), *classifier(classes)))


NETWORKS = {
    name: Reference(partial(densenet, growth, stem, repeats), Published(top1, TORCHVISION))
    for name, growth, stem, repeats, top1 in (
        ("densenet121", 32, 64, (6, 12, 24, 16), 74.434),
        ("densenet161", 48, 96, (6, 12, 36, 24), 77.138),
        ("densenet169", 32, 64, (6, 12, 32, 32), 75.600),
        ("densenet201", 32, 64, (6, 12, 48, 32), 76.896),
    )
}
