"""EfficientNet-B0 (Tan and Le 2019)."""

from nas.blocks import Block
from nas.references.table import TORCHVISION, Layout, Published, Reference, by_stride, classifier

# Expansion, output channels, repeats, stride of the first, kernel.
ROWS = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def _b0(classes: int) -> Layout:
    c, rows = 32, []
    for expansion, out, repeats, stride, kernel in ROWS:
        for i in range(repeats):
            hidden = expansion * c if expansion > 1 else 0
            shape = {"out": out, "hidden": hidden, "kernel": kernel, "stride": 1 if i else stride}
            # A quarter of the block's input channels, not of the expanded ones.
            gate = {"se": c // 4}
            rows.append(
                Block("inverted", act="silu", se_act="silu", se_gate="sigmoid", **shape, **gate)
            )
            c = out
    stem = Block("conv", out=32, stride=2, act="silu")
    last = Block("conv", out=1280, kernel=1, act="silu")
    return Layout((stem,), by_stride(rows), (last, *classifier(classes)))


NETWORKS = {"efficientnet_b0": Reference(_b0, Published(77.692, TORCHVISION))}
