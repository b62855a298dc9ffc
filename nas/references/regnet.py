"""RegNetY-400MF (Radosavovic et al. 2020) as in torchvision."""

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, classifier

STEM, GROUP_WIDTH, SE_RATIO = 32, 8, 0.25
STAGES = ((48, 1), (104, 3), (208, 6), (440, 6))  # width and depth


def _regnety(classes: int) -> Layout:
    c, stages = STEM, []
    for width, depth in STAGES:
        stage = []
        for i in range(depth):
            settings = {"group_width": GROUP_WIDTH, "se": round(SE_RATIO * c)}
            stage.append(Block("regnet", out=width, stride=1 if i else 2, **settings))
            c = width
        stages.append(tuple(stage))
    stem = Block("conv", out=STEM, stride=2)
    return Layout((stem,), tuple(stages), classifier(classes))


NETWORKS = {"regnety_400mf": Reference(_regnety, Published(74.046, TORCHVISION))}
