"""The image networks of MLPerf Tiny (Banbury et al. 2021): ResNet-8 for CIFAR-10 and MobileNetV1
0.25 for Visual Wake Words.

Keras gives ResNet-8's convolutions biases below their norms, which the norms make useless, and its
two projections a bias and no norm. Here each has a norm and no bias, as an export folds them.
"""

from functools import partial

from nas.blocks import Block
from nas.references.mobilenet import v1
from nas.references.table import Layout, Published, Reference, by_stride, classifier

RESNET = Published(None, "nobody: MLPerf Tiny asks for 85% on CIFAR-10")
WAKE_WORDS = Published(None, "nobody: MLPerf Tiny asks for 80% on Visual Wake Words")


def _resnet8(classes: int) -> Layout:
    rows = (Block("basic", out=out, hidden=out, stride=s) for out, s in ((16, 1), (32, 2), (64, 2)))
    return Layout((Block("conv", out=16),), by_stride(rows), classifier(classes))


NETWORKS = {
    "mlperf_tiny_resnet8": Reference(_resnet8, RESNET, resolution=32, classes=10),
    "mlperf_tiny_vww": Reference(partial(v1, 0.25), WAKE_WORDS, resolution=96, classes=2),
}
