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
    # The first version differs from torchvision's only where there are bottlenecks.
    "resnet18v1": "resnet18",
    "resnet34v1": "resnet34",
    "resnet50v15": "resnet50",
    "resnet101v15": "resnet101",
    "resnet152v15": "resnet152",
    "bvlcgooglenet": "googlenet_caffe",
    "bvlcalexnet": "alexnet_caffe",
}
_WIDTH = re.compile(r"[ _x-]*([012])[._]([0-9]{1,2})x?$")
# What timm calls weights, as in resnet50.a1_in1k: no part of the network. Those of other sizes than
# ours say so.
_WEIGHTS = re.compile(r"\.(?!\w*_r(?!224)\d{3})\w*in\d+k\w*$")
_SIZED = re.compile(r"(.+\d\.\d+)[_-]([1-9]\d{1,2})$")


def synonym(name: str, known: Iterable[str]) -> str | None:
    """Which of the `known` names `name` means, if any: letters and digits count alone, a width may
    be written as 1.0 or left out where it is the full one."""
    by_letters = {_letters(one): one for one in known}
    name = _WEIGHTS.sub("", name)
    percent = _WIDTH.sub(lambda m: f"{int(float(f'{m[1]}.{m[2]}') * 100 + 0.5):03}", name.lower())
    letters = _letters(percent)
    first = re.sub(r"^mobilenet(?=\d{3}$)", "mobilenetv1", letters)
    tenths = re.sub(r"(?<=^shufflenetv\d)(\d)(\d)0$", r"x\1\2", letters)
    for written in (_letters(name), letters, f"{_letters(name)}100", first, tenths):
        found = by_letters.get(written, OTHERS.get(written))
        if found in by_letters.values():
            return found
    return None


def without_size(name: str) -> tuple[str, str]:
    """A name without the size of the input that follows a width, and that size; "" if none does.

    >>> without_size("mobilenet_v1_0.25_128"), without_size("resnet18")
    (('mobilenet_v1_0.25', '128'), ('resnet18', ''))
    """
    match = _SIZED.fullmatch(name)
    return (match[1], match[2]) if match else (name, "")


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("torchvision/").removeprefix("timm/"))
