"""Fits the weights of two Jetsons to published TensorRT latencies and writes their targets.

    python scripts/fit_jetson.py DATA.csv [FOLDER]

DATA.csv has the columns device, network, precision, batch and tensorrt_latency_ms: the table of
NVIDIA-AI-IOT/torch2trt, docs/benchmarks (batch 1, 3x224x224, FP16). Only weights and errors are
kept of it. The prior is `nas.latency.model.basis.SCALES`, the same for both boards and all devices.
"""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas.architecture import Architecture
from nas.latency.calibration import filled_in
from nas.latency.lowering.kernels import Kernel, row_kernels
from nas.latency.metadata import Error, Metadata
from nas.latency.model.error import error_of, interval_factor, mape
from nas.latency.model.regression import KINDS, Vector, amounts, fit_weights, leave_out, named
from nas.references import reference
from nas.support.files import write_whole

SOURCE = "NVIDIA-AI-IOT/torch2trt, docs/benchmarks: TensorRT, batch 1, 3x224x224, FP16"
GROUPED = 3.0  # times as slow as a pointwise convolution of as many multiply-adds
RENAMED = {
    "mobilenet_v2": "mobilenet_v2_100",
    "mnasnet0_5": "mnasnet_050",
    "mnasnet0_75": "mnasnet_075",
    "mnasnet1_0": "mnasnet_100",
    "mnasnet1_3": "mnasnet_130",
}
FAMILIES = ("alexnet", "squeezenet", "resnet", "densenet", "vgg", "mobile", "shuffle", "mnas")
MOBILE = ("squeezenet", "mobile", "shuffle", "mnas")


class Board(NamedTuple):
    """A Jetson whose latencies were published."""

    name: str
    aliases: list[str]
    device: str


XAVIER = Board("jetson-agx-xavier", ["jetson"], "NVIDIA Jetson AGX Xavier, GPU")
NANO = Board("jetson-nano", [], "NVIDIA Jetson Nano, GPU")


def executed(arch: Architecture) -> tuple[Kernel, ...]:
    """The kernels that were timed. torchvision's DenseNet concatenates all earlier features anew
    in every layer, where `dense` rows append to one tensor."""
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


class Published(NamedTuple):
    """The networks of a board, their amounts of work and their latencies."""

    names: list[str]
    work: Vector
    latency_ms: Vector


def read(path: Path, board: Board) -> Published:
    """What is known of a board."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["device"] == board.name]
    names = [row["network"] for row in rows]
    work = amounts([executed(reference(RENAMED.get(name, name))) for name in names])
    return Published(names, work, np.array([float(row["tensorrt_latency_ms"]) for row in rows]))


def family(name: str) -> str:
    """The network's family, whose members resemble one another."""
    return next(f for f in FAMILIES if name.startswith(f))


def error(board: Board, known: Published) -> Error:
    """The error of each network left out. The interval is that of the worse of two judgements:
    each network left out, and each mobile network's whole family left out."""
    families = [family(name) for name in known.names]
    mobile = np.array([f in MOBILE for f in families])
    one = leave_out(known.work, known.latency_ms, known.names)
    whole = leave_out(known.work, known.latency_ms, families)
    columns = zip(known.names, known.latency_ms, np.expm1(one), np.expm1(whole), strict=True)
    for name, ms, a, b in columns:
        print(f"  {name:20}{ms:7.2f} ms  network out {a:+.1%}  family out {b:+.1%}")
    found = error_of(one, "leave one network out", rows=len(one), mobile=one[mobile])
    factor = max(found.interval_factor, interval_factor(whole[mobile]))
    print(f"{board.name}: mape {found.mape:.1%}, mobile {found.mape_mobile:.1%}, x{factor}")
    print(f"  mobile with its family left out: {mape(whole[mobile]):.1%}")
    return found.model_copy(update={"interval_factor": factor})


def with_grouped(weights: Vector) -> Vector:
    """The weights, those of grouped convolutions guessed: they were in no network."""
    at = {kind: i for i, kind in enumerate(KINDS)}
    guessed = weights.copy()
    for kind in ("traffic", "macs", "root_macs"):
        guessed[at[f"grouped_{kind}"]] = GROUPED * weights[at[f"pointwise_{kind}"]]
    return guessed


def target(board: Board, weights: Vector, found: Error, notes: str) -> Metadata:
    """What is written of a board."""
    return Metadata(
        name=board.name,
        device=board.device,
        aliases=board.aliases,
        provenance="calibrated",
        runtime="TensorRT",
        precision="fp16",
        date=datetime.now(UTC).date().isoformat(),
        sources=[SOURCE],
        notes=notes,
        error=found,
        weights=named(weights),
    )


def main() -> None:
    data = Path(sys.argv[1])
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("latency_tables")
    known = read(data, XAVIER)
    xavier = with_grouped(fit_weights(known.work, known.latency_ms).weights)
    xavier_error = error(XAVIER, known)
    notes = "Grouped convolutions and SE gates were in no network; their cost is a guess."
    found = [target(XAVIER, xavier, xavier_error, notes)]
    known = read(data, NANO)
    nano = fit_weights(known.work, known.latency_ms).weights
    nano, _ = filled_in(nano, known.work, known.latency_ms, xavier)
    nano_error = error(NANO, known)
    wider = round(nano_error.interval_factor * xavier_error.interval_factor, 4)
    nano_error = nano_error.model_copy(update={"interval_factor": wider})
    notes = (
        "No depthwise network was published for this board: the cost of depthwise convolutions is "
        "the Xavier's, scaled, and the interval is widened for it. Its two mobile networks are "
        "SqueezeNets. " + notes
    )
    found.append(target(NANO, nano, nano_error, notes))
    for metadata in found:
        path = folder / f"{metadata.name}.yaml"
        write_whole(path, metadata.to_yaml())
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
