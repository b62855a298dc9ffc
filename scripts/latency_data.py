"""Published latencies of others, as networks of this program: what the scripts of latencies read.

ncnn_dev.csv: device, threads, powersave, gpu, network, min_ms: Tencent/ncnn, benchmark/README
jetson_published.csv: device, network, *_latency_ms: NVIDIA-AI-IOT/torch2trt, docs/benchmarks
fbnet_cifar_latency_dev.csv: ops (22 indices), *_ms: HELP (Lee et al. 2021), HW-NAS-Bench (Li et
    al. 2021)
accel_nasbench_dev.csv: expansion, kernel, layers, se (7 stages each), *_latency_ms, *_images_s:
    Accel-NASBench (Ahmad et al. 2024)
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas.architecture import Architecture
from nas.blocks import Block
from nas.latency.lowering.kernels import Kernel, row_kernels
from nas.latency.lowering.rows import network_kernels
from nas.latency.model.basis import Vector
from nas.references import reference
from nas.references.fbnet import fbnet
from nas.references.table import classifier

FEWEST = 6  # networks of an ncnn setting that is read
NCNN = {
    "squeezenet": ("squeezenet1_1", 227),
    "mobilenet": ("mobilenet_v1_100", 224),
    "mobilenet_v2": ("mobilenet_v2_100", 224),
    "mobilenet_v3": ("mobilenet_v3_large_100", 224),
    "shufflenet": ("shufflenet_v1_x1_0", 224),
    "shufflenet_v2": ("shufflenet_v2_x1_0_megvii", 224),
    "mnasnet": ("mnasnet_100", 224),
    "proxylessnasnet": ("proxylessnas_mobile", 224),
    "efficientnet_b0": ("efficientnet_b0", 224),
    "regnety_400m": ("regnety_400mf", 224),
    "googlenet": ("googlenet_caffe", 224),
    "resnet18": ("resnet18", 224),
    "resnet50": ("resnet50", 224),
    "vgg16": ("vgg16", 224),
    "alexnet": ("alexnet_caffe", 227),
}
JETSON = {
    "mobilenet_v2": "mobilenet_v2_100",
    "mnasnet0_5": "mnasnet_050",
    "mnasnet0_75": "mnasnet_075",
    "mnasnet1_0": "mnasnet_100",
    "mnasnet1_3": "mnasnet_130",
}
WIDTHS, STRIDES = (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 2, 1, 2, 1)  # of the MnasNet space


class Known(NamedTuple):
    """A device in one setting: whose table it is in, its networks and their latencies."""

    source: str
    names: list[str]
    networks: list[tuple[Kernel, ...]]
    latency_ms: Vector


def read_devices(folder: Path) -> dict[str, Known]:
    """Every device of the four tables, by source and name; ncnn's also by threads, power setting
    and GPU (-1: none), behind bars."""
    return {
        **read_ncnn(folder / "ncnn_dev.csv"),
        **read_jetsons(folder / "jetson_published.csv"),
        **read_fbnet(folder / "fbnet_cifar_latency_dev.csv"),
        **read_accelerators(folder / "accel_nasbench_dev.csv"),
    }


def read_ncnn(path: Path) -> dict[str, Known]:
    """ncnn's devices; of a network that was timed several times the median."""
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(path):
        setting = "|".join(row[k] for k in ("device", "threads", "powersave", "gpu"))
        if row["network"] in NCNN:
            times[setting][row["network"]].append(float(row["min_ms"]))
    return {
        f"ncnn/{setting}": Known(
            "ncnn",
            list(found),
            [_published(*NCNN[name]) for name in found],
            np.array([np.median(ms) for ms in found.values()]),
        )
        for setting, found in times.items()
        if len(found) >= FEWEST
    }


def read_jetsons(path: Path) -> dict[str, Known]:
    """The Jetsons through TensorRT and through PyTorch."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _rows(path):
        rows[row["device"]].append(row)
    return {
        f"jetson/{device}-{runtime}": Known(
            "jetson",
            [row["network"] for row in found],
            [_executed(JETSON.get(row["network"], row["network"])) for row in found],
            np.array([float(row[f"{runtime}_latency_ms"]) for row in found]),
        )
        for device, found in rows.items()
        for runtime in ("tensorrt", "pytorch")
    }


def read_fbnet(path: Path) -> dict[str, Known]:
    """The devices of FBNet's space for CIFAR-100."""
    rows = _rows(path)
    networks = [network_kernels(fbnet(map(int, row["ops"].split()))) for row in rows]
    return _columns("fbnet", rows, networks)


def read_accelerators(path: Path) -> dict[str, Known]:
    """The accelerators of the MnasNet space; a throughput as the ms that an image takes."""
    rows = _rows(path)
    return _columns("accel", rows, [network_kernels(mnasnet_space(row)) for row in rows])


def mnasnet_space(row: dict[str, str]) -> Architecture:
    """A network of Accel-NASBench's space."""
    expansions, kernels, layers, gates = (
        [int(value) for value in row[key].split()]
        for key in ("expansion", "kernel", "layers", "se")
    )
    channels, stages = 32, []
    for i, out in enumerate(WIDTHS):
        stage = []
        for j in range(layers[i]):
            stage.append(
                Block(
                    "inverted",
                    out=out,
                    hidden=expansions[i] * channels if expansions[i] > 1 else 0,
                    kernel=kernels[i],
                    stride=1 if j else STRIDES[i],
                    se=channels // 4 if gates[i] else 0,
                    se_act="silu",
                    se_gate="sigmoid",
                    act="silu",
                )
            )
            channels = out
        stages.append(tuple(stage))
    stem = Block("conv", out=32, stride=2, act="silu")
    head = (Block("conv", out=1280, kernel=1, act="silu"), *classifier(1000))
    return Architecture(224, (stem,), tuple(stages), head)


def _columns(
    source: str, rows: Sequence[dict[str, str]], networks: Sequence[tuple[Kernel, ...]]
) -> dict[str, Known]:
    found = {}
    for column in rows[0]:
        if not column.endswith(("_ms", "_images_s")):
            continue
        known = [i for i, row in enumerate(rows) if row[column]]
        values = np.array([float(rows[i][column]) for i in known])
        name = column.removesuffix("_ms").removesuffix("_images_s").removesuffix("_latency")
        found[f"{source}/{name}"] = Known(
            source,
            [str(i) for i in known],
            [networks[i] for i in known],
            1000 / values if column.endswith("_images_s") else values,
        )
    return found


@cache
def _executed(name: str) -> tuple[Kernel, ...]:
    """The kernels that torchvision's network runs: its DenseNet concatenates all earlier features
    anew in every layer, where `dense` rows append to one tensor."""
    arch = reference(name)
    found: list[Kernel] = []
    features = [arch.input_shape]
    for (_, graph), row in zip(arch.row_graphs(), arch.rows(), strict=True):
        kernels = list(row_kernels(row, graph.input_shape))
        if row.kind == "dense":
            added = graph.output_shape[0] - graph.input_shape[0]
            features.append((added, *graph.output_shape[1:]))
            kernels[-1] = kernels[-1]._replace(inputs=tuple(features))
        else:
            features = [graph.output_shape]
        found += kernels
    return tuple(found)


@cache
def _published(name: str, resolution: int) -> tuple[Kernel, ...]:
    return network_kernels(reference(name, resolution=resolution))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
