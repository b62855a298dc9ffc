"""MnasNet-B1 (Tan et al. 2019) as in torchvision: no squeeze-and-excitation, ReLU."""

from functools import partial

from nas.blocks import Block, make_divisible
from nas.references.table import TORCHVISION, Layout, Published, Reference, classifier

# Expansion, output channels, repeats, stride of the first, kernel.
ROWS = (
    (1, 16, 1, 1, 3),
    (3, 24, 3, 2, 3),
    (3, 40, 3, 2, 5),
    (6, 80, 3, 2, 5),
    (6, 96, 2, 1, 3),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def _mnasnet(width: float, classes: int) -> Layout:
    c = make_divisible(32 * width)
    stem = Block("conv", out=c, stride=2)
    stages = []
    for expansion, channels, repeats, stride, kernel in ROWS:
        out, stage = make_divisible(channels * width), []
        for i in range(repeats):
            settings = {
                "hidden": expansion * c if expansion > 1 else 0,
                "kernel": kernel,
                "stride": stride if i == 0 else 1,
            }
            stage.append(Block("inverted", out=out, act="relu", **settings))
            c = out
        stages.append(tuple(stage))
    return Layout((stem,), tuple(stages), (Block("conv", out=1280, kernel=1), *classifier(classes)))


NETWORKS = {
    "mnasnet_050": Reference(partial(_mnasnet, 0.5), Published(67.734, TORCHVISION)),
    "mnasnet_075": Reference(partial(_mnasnet, 0.75), Published(71.180, TORCHVISION)),
    "mnasnet_100": Reference(partial(_mnasnet, 1.0), Published(73.456, TORCHVISION)),
    "mnasnet_130": Reference(partial(_mnasnet, 1.3), Published(76.506, TORCHVISION)),
}
