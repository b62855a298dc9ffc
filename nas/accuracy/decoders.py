"""Architectures by a decoder's name and its choices, as rows of accuracy tables give them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence

from nas.architecture import Architecture
from nas.blocks import Block
from nas.references import reference
from nas.references.nasbench201 import nasbench201
from nas.references.regnet import Line
from nas.references.regnet import regnet as regnet_layout
from nas.references.resnet import resnet as resnet_layout
from nas.references.scaled import scaled
from nas.references.table import classifier
from nas.resolution import Resolution
from nas.support.errors import NasError, check_one_of, check_type, check_whole, one_of, shown

JSON = "json"
EXPANSIONS = {"basic": 1, "bottleneck": 4}
STAGES = 4
# Accel-NASBench's stages: output channels and the stride of the first layer.
ACCEL_WIDTHS, ACCEL_STRIDES = (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 2, 1, 2, 1)
ACCEL_LIMITS = {"expansion": 16, "kernel": 15, "layers": 32, "se": 1}


def _reference(name: str, resolution: Resolution | None = None) -> Architecture:
    """A published network for ImageNet."""
    return reference(name, resolution=resolution)


def resnet(kind: str, repeats: Sequence[int], width: float = 1.0, se: bool = False) -> Architecture:
    """A ResNet for ImageNet of other depth or width, or with squeeze-and-excitation."""
    check_one_of("kind", kind, EXPANSIONS)
    check_type(se, "se", "true or false", bool)
    counts = _counts("repeats", repeats, STAGES, 1, 128)
    if isinstance(width, bool) or not isinstance(width, int | float) or not 0 < width <= 16:
        raise NasError(f"width must be above 0 and at most 16, not {shown(width)}")
    layout = resnet_layout(kind, EXPANSIONS[kind], tuple(counts), 1000, width, se)
    return Architecture(224, *layout)


def regnet(
    w_0: float, w_a: float, w_m: float, depth: int, group_width: int, se: float = 0.0
) -> Architecture:
    """A RegNetX for ImageNet, or a RegNetY with an `se` (Radosavovic et al. 2020)."""
    check_whole(depth, "depth", 1, 128)
    check_whole(group_width, "group_width", 1, 4096)
    for name, value, low, high in (
        ("w_0", w_0, 8, 4096), ("w_a", w_a, 0, 4096), ("w_m", w_m, 1.01, 16), ("se", se, 0, 1),
    ):  # fmt: skip
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            raise NasError(f"{name} must be a number of {low} to {high}, not {shown(value)}")
    layout = regnet_layout(Line(w_0, w_a, w_m, depth, group_width, se), 1000)
    return Architecture(224, *layout)


def accel_nasbench(
    expansion: Sequence[int], kernel: Sequence[int], layers: Sequence[int], se: Sequence[int]
) -> Architecture:
    """A network of Accel-NASBench's space (Ahmad et al. 2024): MnasNet's, for ImageNet at 224
    pixels, with SiLU. Per stage the expansion, the kernel, the layers and whether they have a
    squeeze-and-excitation, of a quarter of the layer's input channels."""
    given = {"expansion": expansion, "kernel": kernel, "layers": layers, "se": se}
    stages: list[tuple[Block, ...]] = []
    checked = [
        _counts(name, values, len(ACCEL_WIDTHS), 0 if name == "se" else 1, ACCEL_LIMITS[name])
        for name, values in given.items()
    ]
    c = 32
    for e, k, n, gate, out, stride in zip(*checked, ACCEL_WIDTHS, ACCEL_STRIDES, strict=True):
        rows = []
        for i in range(n):
            settings = {"hidden": e * c if e > 1 else 0, "se": c // 4 if gate else 0}
            first = stride if i == 0 else 1
            rows.append(Block("inverted", out=out, kernel=k, stride=first, act="silu", **settings))
            c = out
        stages.append(tuple(rows))
    stem = Block("conv", out=32, stride=2, act="silu")
    last = Block("conv", out=1280, kernel=1, act="silu")
    return Architecture(224, (stem,), tuple(stages), (last, *classifier(1000)))


def _counts(name: str, values: object, length: int, low: int, high: int) -> list[int]:
    rule = f"{name} must be {length} whole numbers of {low} to {high}"
    if not isinstance(values, list | tuple) or len(values) != length:
        raise NasError(f"{rule}, not {shown(values)}")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise NasError(f"{rule}, not {shown(values)}")
    return list(values)


DECODERS: dict[str, Callable[..., Architecture]] = {
    "accel_nasbench": accel_nasbench,
    "nasbench201": nasbench201,
    "reference": _reference,
    "regnet": regnet,
    "resnet": resnet,
    "scaled": scaled,
}


def decoded(decoder: str, choices: str) -> Architecture:
    """The architecture of a row: `choices` is the JSON of an architecture where the decoder is
    "json", else a JSON object of the decoder's arguments.

    Errors: `NasError` naming the decoder or the choice and the rule.
    """
    if decoder == JSON:
        return Architecture.from_json(choices)
    if decoder not in DECODERS:
        raise one_of("decoder", decoder, [JSON, *DECODERS])
    try:
        given = json.loads(choices)
    except (ValueError, RecursionError) as error:
        raise NasError(f"choices are not JSON: {error}") from None
    if not isinstance(given, dict):
        raise NasError(f"choices must be a JSON object, not {shown(given)}")
    parameters = inspect.signature(DECODERS[decoder]).parameters
    for name in given:
        if name not in parameters:
            raise one_of(f"choice of decoder '{decoder}'", name, parameters)
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in given:
            raise NasError(f"decoder '{decoder}': choice '{name}' is missing")
    arch = DECODERS[decoder](**given)
    for _ in arch.row_graphs():  # shapes are checked here, at the edge
        pass
    return arch
