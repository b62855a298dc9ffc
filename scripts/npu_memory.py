"""Judges `nas.latency.model.npu_memory`, and the shipped targets of Ethos-U NPUs, against Vela on
networks that neither was fitted to.

    python scripts/npu_memory.py [OUTPUT.md]

The numbers of `npu_memory` were read off 404 networks of the space `tiny` (seeds below 400) on
ethos-u55-128; the whole networks of the targets' tables have seeds below 2000. Here are seeds from
10,000 on, on six NPUs, some with inputs that are not square, and published networks of other
families.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from nas import Target, cost, reference
from nas.architecture import Architecture
from nas.formats.tflite import to_tflite
from nas.latency.runtimes.accelerators import find_accelerator
from nas.latency.runtimes.vela import estimate, title
from nas.space import SearchSpace
from nas.support.files import write_whole

NPUS = (
    "ethos-u55-128", "ethos-u65-256", "ethos-u85-128", "ethos-u85-512", "ethos-u85-1024",
    "ethos-u85-2048",
)  # fmt: skip
COUNT, FIRST_SEED = 150, 10_000
SHAPES = {"48x128": 3, "49x10": 1}  # and channels: of a camera, of spectrograms
SHAPED = 40  # networks of each shape
OTHERS = {
    "mlperf_tiny_resnet8": 32,
    "mlperf_tiny_vww": 96,
    "mobilenet_v1_050": 96,
    "mobilenet_v2_075": 96,
    "mnasnet_050": 96,
    "shufflenet_v2_x0_5": 96,
    "squeezenet1_1": 96,
    "resnet18": 64,
    "mobilenet_v4_conv_small": 96,
}
COLUMNS = (
    "NPU", "networks", "SRAM: median error", "within 5%", "float peak / 4: within 5%",
    "flash: median error", "within 5%", "latency: mean error", "within 5%", "in its interval",
)  # fmt: skip


def line(npu: str, label: str, networks: list[Architecture]) -> str:
    """A row of the table: how far the predictions are off Vela's numbers on these networks."""
    accelerator, target = find_accelerator(npu), Target.load(npu)
    off, inside = [], []
    for arch in networks:
        found = estimate(to_tflite(arch.graph(), int8={}), accelerator)
        memory = target.memory(arch)
        assert memory is not None
        ms, low, high = target.predict(arch)
        inside.append(low <= found.latency_ms <= high)
        predicted = (*memory, cost(arch).peak_bytes / 4, ms)
        true = (found.sram_bytes, found.flash_bytes, found.sram_bytes, found.latency_ms)
        off.append(np.abs(np.array(predicted) / np.array(true) - 1))
    sram, flash, float_peak, latency = np.array(off).T
    near = [f"{np.mean(errors <= 0.05):.0%}" for errors in (sram, float_peak, flash, latency)]
    return (
        f"| {npu} | {len(networks)} {label} | {np.median(sram):.1%} | {near[0]} | {near[1]} "
        f"| {np.median(flash):.1%} | {near[2]} | {np.mean(latency):.1%} | {near[3]} "
        f"| {np.mean(inside):.0%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("output", nargs="?", type=Path, metavar="OUTPUT.md")
    output = parser.parse_args().output
    space = SearchSpace.load("tiny")
    sampled = [space.sample(FIRST_SEED + i) for i in range(COUNT)]
    shaped = {
        f"of `tiny` at {size}": [
            replace(space.sample(FIRST_SEED + COUNT + i), resolution=size, channels=channels)
            for i in range(SHAPED)
        ]
        for size, channels in SHAPES.items()
    }
    others = [reference(name, resolution=px) for name, px in OTHERS.items()]
    lines = [f"{title()}, random weights", "", f"| {' | '.join(COLUMNS)} |"]
    lines.append("|---|---|" + "---:|" * (len(COLUMNS) - 2))
    for npu in NPUS:
        for label, some in {"of `tiny`": sampled, **shaped, "published": others}.items():
            lines.append(line(npu, label, some))
            print(lines[-1], flush=True)
    if output:
        write_whole(output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
