"""ProxylessNAS, the network that was found for a mobile phone (Cai et al. 2019)."""

from nas.references.mbconv import FAMILIES, mbconv
from nas.references.table import Layout, Published, Reference

PAPER = "Cai et al. 2019, ProxylessNAS"


def _mobile(classes: int) -> Layout:
    return mbconv(FAMILIES["proxyless_mobile"], 1, 1, classes)


NETWORKS = {"proxylessnas_mobile": Reference(_mobile, Published(74.6, PAPER))}
