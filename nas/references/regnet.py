"""RegNetX and RegNetY (Radosavovic et al. 2020): depth and widths by five numbers."""

from math import log
from typing import NamedTuple

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, classifier

STEM, STEP = 32, 8  # channels; widths are multiples of the second


class Line(NamedTuple):
    """The paper's w_0, w_a and w_m, the depth, the width of a group, and the ratio of a
    squeeze-and-excitation to a row's input: of RegNetY .25, of RegNetX 0."""

    start: float
    slope: float
    multiplier: float
    depth: int
    group_width: int
    se: float = 0.0

    def stages(self) -> list[tuple[int, int]]:
        """Width and depth of each stage: widths on a line, rounded to powers of the multiplier."""
        counts: dict[int, int] = {}
        for row in range(self.depth):
            power = round(log(1 + self.slope * row / self.start) / log(self.multiplier))
            width = round(self.start * self.multiplier**power / STEP) * STEP
            counts[width] = counts.get(width, 0) + 1
        return [(self._whole_groups(width), depth) for width, depth in counts.items()]

    def _whole_groups(self, width: int) -> int:
        group = min(self.group_width, width)
        return round(width / group) * group


def regnet(line: Line, classes: int) -> Layout:
    """The network of a line, as in pycls and torchvision."""
    c, stages = STEM, []
    for width, depth in line.stages():
        stage = []
        for i in range(depth):
            settings = {"group_width": line.group_width, "se": round(line.se * c)}
            stage.append(Block("regnet", out=width, stride=1 if i else 2, **settings))
            c = width
        stages.append(tuple(stage))
    stem = Block("conv", out=STEM, stride=2)
    return Layout((stem,), tuple(stages), classifier(classes))


def _regnety_400mf(classes: int) -> Layout:
    return regnet(Line(48, 27.89, 2.09, 16, 8, se=0.25), classes)


NETWORKS = {"regnety_400mf": Reference(_regnety_400mf, Published(74.046, TORCHVISION))}
