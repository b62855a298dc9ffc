"""EfficientNet-B0 (Tan and Le 2019) and EfficientNet-Lite0 (Google 2020)."""

from nas.references.mbconv import FAMILIES, mbconv
from nas.references.table import TORCHVISION, Layout, Published, Reference

LITE = "tensorflow/tpu repository, models/official/efficientnet/lite"


def _b0(classes: int) -> Layout:
    # The family of `scaled` has the gates of MobileNetV3: the accuracy prior was fitted with them.
    family = FAMILIES["efficientnet"]._replace(se_act="silu", se_gate="sigmoid")
    return mbconv(family, 1, 1, classes)


def _lite0(classes: int) -> Layout:
    return mbconv(FAMILIES["efficientnet_lite"], 1, 1, classes)


NETWORKS = {
    "efficientnet_b0": Reference(_b0, Published(77.692, TORCHVISION)),
    "efficientnet_lite0": Reference(_lite0, Published(75.1, LITE)),
}
