"""The usual other names of published networks: `mobilenetv2_100`, `resnet-18`, `mnasnet1.0`."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Where neither letters nor the full width make it one of ours.
OTHERS = {
    "mobilenet": "mobilenet_v1_100",
    "mobilenetv3": "mobilenet_v3_large_100",
    "squeezenet": "squeezenet1_1",
    "squeezenetv10": "squeezenet1_0",
    "squeezenetv11": "squeezenet1_1",
    "shufflenet": "shufflenet_v1_x1_0",
    "shufflenetv1": "shufflenet_v1_x1_0",
    "shufflenetv2": "shufflenet_v2_x1_0",
    "ghostnet": "ghostnet_100",
    "proxylessnas": "proxylessnas_mobile",
    "proxylessnasnet": "proxylessnas_mobile",
    "resnet8": "mlperf_tiny_resnet8",
    "regnety004": "regnety_400mf",
    "regnety400m": "regnety_400mf",
    "inceptionv1": "googlenet",
    "bvlcgooglenet": "googlenet_caffe",
    "bvlcalexnet": "alexnet_caffe",
}
_WIDTH = re.compile(r"[ _x-]*([012])[._]([0-9]{1,2})$")


def synonym(name: str, known: Iterable[str]) -> str | None:
    """Which of the `known` names `name` means, if any: letters and digits count alone, a width may
    be written as 1.0 or left out where it is the full one."""
    by_letters = {_letters(one): one for one in known}
    percent = _WIDTH.sub(lambda m: f"{int(float(f'{m[1]}.{m[2]}') * 100 + 0.5):03}", name.lower())
    for written in (_letters(name), _letters(percent), f"{_letters(name)}100"):
        found = by_letters.get(written, OTHERS.get(written))
        if found in by_letters.values():
            return found
    return None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("torchvision/").removeprefix("timm/"))
