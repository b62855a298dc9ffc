"""Fits the device models of two Jetsons to published TensorRT latencies and writes their targets.

    python scripts/fit_jetson.py DATA.csv [FOLDER]

DATA.csv has the columns device, network, precision, batch and tensorrt_latency_ms: the table of
NVIDIA-AI-IOT/torch2trt, docs/benchmarks (batch 1, 3x224x224, FP16). Only coefficients and errors
are kept of it.
"""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas.architecture import Architecture
from nas.files import write_whole
from nas.latency.device_model import BYTES, Sample, cross_validate, fit
from nas.latency.judge import error_of, interval_factor, mape
from nas.latency.kernels import Kernel, row_kernels
from nas.latency.metadata import Metadata
from nas.references import reference

SOURCE = "NVIDIA-AI-IOT/torch2trt, docs/benchmarks: TensorRT, batch 1, 3x224x224, FP16"
STRENGTH = 0.1
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
    """A Jetson's data sheet, which the prior is made of: FP16 multiply-adds and memory."""

    name: str
    aliases: list[str]
    device: str
    peak_gmacs: float
    peak_gbytes: float
    launch_ms: float


XAVIER = Board("jetson-agx-xavier", ["jetson"], "NVIDIA Jetson AGX Xavier, GPU", 5500, 137, 0.01)
NANO = Board("jetson-nano", [], "NVIDIA Jetson Nano, GPU", 236, 25.6, 0.02)


def prior(board: Board) -> dict[str, float]:
    """What is likely before any measurement: shares of the data sheet's peaks.

    Depthwise filters cannot use the tensor cores and read each value for a few operations only.
    """
    return {
        "constant": 10 * board.launch_ms,
        "launch": board.launch_ms,
        "copy_launch": board.launch_ms,
        "conv_rate": 0.7 * board.peak_gmacs,
        "pointwise_rate": 0.7 * board.peak_gmacs,
        "depthwise_rate": 0.05 * board.peak_gmacs,
        "grouped_rate": 0.2 * board.peak_gmacs,
        "linear_rate": 0.2 * board.peak_gmacs,
        "bandwidth": 0.7 * board.peak_gbytes,
        "depthwise_bandwidth": 0.7 * board.peak_gbytes,
        "linear_bandwidth": 0.7 * board.peak_gbytes,
        "copy_bandwidth": 0.7 * board.peak_gbytes,
    }


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


def read(path: Path, device: str) -> tuple[list[str], list[Sample]]:
    """The networks of a device and what is known of each."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["device"] == device]
    names = [row["network"] for row in rows]
    kernels = [executed(reference(RENAMED.get(name, name))) for name in names]
    latencies = [float(row["tensorrt_latency_ms"]) for row in rows]
    return names, [Sample(k, ms) for k, ms in zip(kernels, latencies, strict=True)]


def family(name: str) -> str:
    """The network's family, whose members resemble one another."""
    return next(f for f in FAMILIES if name.startswith(f))


def target(
    board: Board, names: list[str], samples: list[Sample], start: dict[str, float], notes: str
) -> Metadata:
    """The fitted target with its errors. The interval is that of the worse of two judgements:
    each network left out, and each mobile network's whole family left out."""
    value_bytes = BYTES["fp16"]
    families = [family(name) for name in names]
    mobile = np.array([f in MOBILE for f in families])
    one = cross_validate(samples, names, value_bytes, start, STRENGTH)
    whole = cross_validate(samples, families, value_bytes, start, STRENGTH)
    for name, sample, a, b in zip(names, samples, np.expm1(one), np.expm1(whole), strict=True):
        print(f"  {name:20}{sample.latency_ms:7.2f} ms  network out {a:+.1%}  family out {b:+.1%}")
    error = error_of(one, "leave one network out", rows=len(samples), mobile=one[mobile])
    factor = max(error.interval_factor, interval_factor(whole[mobile]))
    error = error.model_copy(update={"interval_factor": factor})
    print(f"{board.name}: mape {error.mape:.1%}, mobile {error.mape_mobile:.1%}, x{factor}")
    print(f"  mobile with its family left out: {mape(whole[mobile]):.1%}")
    fitted = fit(samples, value_bytes, start, STRENGTH)
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
        error=error,
        coefficients={name: float(f"{value:.6g}") for name, value in fitted.items()},
    )


def carried(nano: dict[str, float], xavier: dict[str, float]) -> dict[str, float]:
    """Nano's prior with Xavier's depthwise rates: no published Nano network is depthwise.

    Scaled by what the devices' fitted rates and bandwidths of other convolutions differ by.
    """
    rate = np.sqrt(nano["conv_rate"] / xavier["conv_rate"])
    rate *= np.sqrt(nano["pointwise_rate"] / xavier["pointwise_rate"])
    bandwidth = nano["bandwidth"] / xavier["bandwidth"]
    return prior(NANO) | {
        "depthwise_rate": xavier["depthwise_rate"] * float(rate),
        "depthwise_bandwidth": xavier["depthwise_bandwidth"] * bandwidth,
    }


def main() -> None:
    data = Path(sys.argv[1])
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("latency_tables")
    names, samples = read(data, XAVIER.name)
    notes = "Grouped convolutions and SE gates were in no network; their cost is the prior's."
    xavier = target(XAVIER, names, samples, prior(XAVIER), notes)
    names, samples = read(data, NANO.name)
    alone = fit(samples, BYTES["fp16"], prior(NANO), STRENGTH)
    notes = (
        "No depthwise network was published for this board: depthwise rates are the Xavier's, "
        "scaled, and the interval is widened for it. " + notes
    )
    nano = target(NANO, names, samples, carried(alone, dict(xavier.coefficients)), notes)
    assert nano.error is not None
    assert xavier.error is not None
    wider = round(nano.error.interval_factor * xavier.error.interval_factor, 4)
    error = nano.error.model_copy(update={"interval_factor": wider})
    for metadata in (xavier, nano.model_copy(update={"error": error})):
        path = folder / f"{metadata.name}.yaml"
        write_whole(path, metadata.to_yaml())
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
