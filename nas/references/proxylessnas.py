"""ProxylessNAS, the network that was found for a mobile phone (Cai et al. 2019)."""

from nas.blocks import Block
from nas.references.table import Layout, Published, Reference, by_stride, classifier

PAPER = "Cai et al. 2019, ProxylessNAS"
# Output channels, stride of the first, and kernel and expansion of each layer.
ROWS = (
    (16, 1, ((3, 1),)),
    (32, 2, ((5, 3), (3, 3))),
    (40, 2, ((7, 3), (3, 3), (5, 3), (5, 3))),
    (80, 2, ((7, 6), (5, 3), (5, 3), (5, 3))),
    (96, 1, ((5, 6), (5, 3), (5, 3), (5, 3))),
    (192, 2, ((7, 6), (7, 6), (7, 3), (7, 3))),
    (320, 1, ((7, 6),)),
)


def _mobile(classes: int) -> Layout:
    c, rows = 32, []
    for out, stride, layers in ROWS:
        for i, (kernel, expansion) in enumerate(layers):
            hidden = expansion * c if expansion > 1 else 0
            settings = {"kernel": kernel, "stride": 1 if i else stride}
            rows.append(Block("inverted", out=out, hidden=hidden, **settings))
            c = out
    stem = Block("conv", out=32, stride=2, act="relu6")
    last = Block("conv", out=1280, kernel=1, act="relu6")
    return Layout((stem,), by_stride(rows), (last, *classifier(classes)))


NETWORKS = {"proxylessnas_mobile": Reference(_mobile, Published(74.6, PAPER))}
