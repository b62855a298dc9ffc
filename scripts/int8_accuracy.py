"""What int8 costs: small networks trained on Fashion-MNIST, in float32 and in int8.

    python scripts/int8_accuracy.py          # 7 minutes of one core

Each network is trained twice by one recipe, the second time with int8's roundings in the last
quarter of the epochs (`nas train --int8`), and exported as `nas export --int8` does. Accuracy is
on the 10,000 test images, which took no part in anything. Beside it stand what `quantize_static` of
onnxruntime gives with its defaults (min-max, one scale for all weights of a layer), on the same
calibration images, and LiteRT and TFLite Micro on the first 1,000 and 100 test images. The last
network is also taken with its channels out of balance (`nas.testing.imbalance`), which changes
nothing in float32. The result is kept in `scripts/results/int8_accuracy.txt`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, quantize_static

from nas.architecture import Architecture
from nas.blocks import Block
from nas.data import DataSet, load_data
from nas.formats.folding import folded
from nas.formats.litert import LiteRT
from nas.formats.onnx_model import graph_to_onnx
from nas.formats.scales import scales, tensor_names
from nas.formats.tflite import to_tflite
from nas.testing.imbalance import unbalance
from nas.training import Recipe, Trained, train
from nas.training.export_int8 import export_int8
from nas.training.int8 import Inputs, Way, accuracy, outputs

RECIPE = Recipe(epochs=6, images=4_000)
RESOLUTION = 28
LITERT, MICRO = 1000, 100  # test images
ARENA = 2_000_000  # bytes


def network(name: str, *blocks: Block) -> Architecture:
    """A strided convolution, the blocks, a classifier."""
    stem = (Block("conv", out=16, stride=2, act="relu"),)
    head = (Block("gap"), Block("linear", out=10))
    return Architecture(RESOLUTION, stem, tuple((b,) for b in blocks), head, 1, name)


def inverted(act: str, se: int) -> list[Block]:
    return [
        Block("inverted", out=out, hidden=hidden, stride=stride, act=act, se=se)
        for out, hidden, stride in (
            (16, 48, 2),
            (24, 72, 2),
            (24, 96, 1),
            (32, 96, 2),
            (32, 128, 1),
        )
    ]


NETWORKS = (
    network("inverted, ReLU6 (as MobileNetV2)", *inverted("relu6", 0)),
    network("inverted, SE, h-swish (as MobileNetV3)", *inverted("hswish", 16)),
    network(
        "shuffle (as ShuffleNetV2)",
        *(
            Block("shuffle", out=o, stride=s)
            for o, s in ((32, 2), (48, 2), (48, 1), (64, 2), (64, 1))
        ),
    ),
)
UNBALANCED = network("inverted, ReLU", *inverted("relu", 0))


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """Images one by one, as onnxruntime's own calibration reads them."""

    def __init__(self, images: NDArray[np.float32]) -> None:
        self._images: Iterator[NDArray[np.float32]] = iter(images)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        image = next(self._images, None)
        return None if image is None else {"image": image[None]}


def by_onnxruntime(trained: Trained, data: DataSet, folder: Path) -> float:
    """The accuracy after onnxruntime's own static quantisation."""
    assert data.test is not None
    weights = {k: v.numpy() for k, v in trained.module.state_dict().items()}
    model = graph_to_onnx(*folded(trained.arch.graph(), weights), dynamic_batch=True)
    onnx.save(model, folder / "float.onnx")
    few = Inputs(data.train.take(np.arange(256)), trained, data)
    some = np.concatenate([*few.batches()])
    quantize_static(folder / "float.onnx", folder / "own.onnx", Reader(some))
    found = outputs(onnx.load(folder / "own.onnx"), Inputs(data.test, trained, data))
    return accuracy(found, data.test.labels)


def by_micro(way: Way, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """The logits by TFLite Micro's interpreter, on this machine."""
    from tflite_micro.python.tflite_micro import runtime

    steps = scales(way.graph, way.ranges)
    given, step = steps["image"], steps[tensor_names(way.graph)[way.graph.output]]
    model = to_tflite(way.graph, way.state, int8=way.ranges)
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA)
    rows = []
    for image in given.quantised(images.transpose(0, 2, 3, 1)):
        interpreter.set_input(image[None], 0)
        interpreter.invoke()
        rows.append((interpreter.get_output(0).astype(np.float64) - step.zero) * step.scale)
    return np.concatenate(rows)


def near(one: NDArray[np.floating], other: NDArray[np.floating], way: Way) -> float:
    """The share of logits that are at most one step apart."""
    step = scales(way.graph, way.ranges)[tensor_names(way.graph)[way.graph.output]].scale
    return float((np.abs(one - other) < 1.5 * step).mean())


def report(trained: Trained, data: DataSet, label: str, folder: Path) -> None:
    done = export_int8(trained, data, folder / "net.onnx")
    best = done.int8.best
    assert data.test is not None
    few = Inputs(data.test.take(np.arange(LITERT)), trained, data)
    images = np.concatenate([*few.batches()])
    labels = data.test.labels[:LITERT]
    int8 = outputs(best.way.onnx(dynamic_batch=True), few)
    lite = LiteRT(to_tflite(best.way.graph, best.way.state, int8=best.way.ranges))(images)
    micro = by_micro(best.way, images[:MICRO])
    print(f"{trained.arch.name}, {label}")
    print(
        f"  test accuracy: float32 {done.float_accuracy:.2%}, int8 {done.accuracy:.2%}, "
        f"onnxruntime's quantize_static {by_onnxruntime(trained, data, folder):.2%}"
    )
    print(
        f"  LiteRT on {LITERT}: {accuracy(lite, labels):.1%}, onnxruntime "
        f"{accuracy(int8, labels):.1%}; logits within a step: {near(lite, int8, best.way):.1%}; "
        f"TFLite Micro on {MICRO}: {near(micro, int8[:MICRO], best.way):.1%}"
    )
    print(f"  on held-out training images (float32 {done.int8.float_accuracy:.1%}):", flush=True)
    for one in done.int8.tried:
        taken = "  taken" if one is best else ""
        print(f"    {one.way.label:44} {one.accuracy:.1%}, outputs off by {one.error:.3f}{taken}")


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    data = load_data("fashion-mnist")
    print(f"onnxruntime {onnxruntime.__version__}, {data.describe()}")
    print(f"{RECIPE.epochs} epochs of {RECIPE.images} of the training images", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for arch in NETWORKS:
            for label, recipe in (
                ("trained in float32", RECIPE),
                ("trained with int8's roundings at the end", RECIPE.changed(int8=0.25)),
            ):
                report(train(arch, data, recipe, device="cpu"), data, label, Path(folder))
        trained = train(UNBALANCED, data, RECIPE, device="cpu")
        for label, hidden in (
            ("trained in float32", None),
            ("hidden channels out of balance", True),
            ("channels between blocks out of balance", False),
        ):
            module = deepcopy(trained.module)
            if hidden is not None:
                unbalance(module, hidden=hidden)
            report(replace(trained, module=module), data, label, Path(folder))


if __name__ == "__main__":
    main()
