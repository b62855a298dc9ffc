"""Fits the weights of a Raspberry Pi 4 to published latencies of FBNet networks; writes its target.

    python scripts/fit_raspberry_pi.py DATA.csv [FOLDER]

DATA.csv has the columns ops (22 indices into FBNet's choices) and raspi4_ms: HELP (Lee et al.
2021), from HW-NAS-Bench (Li et al. 2021). Only weights and errors are kept of it. The prior is
`nas.latency.model.basis.SCALES`, the same for all devices.
"""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from nas.latency.lowering.rows import network_kernels
from nas.latency.metadata import Metadata
from nas.latency.model.error import error_of
from nas.latency.model.regression import amounts, fit_weights, leave_out, named
from nas.references.fbnet import fbnet
from nas.support.files import write_whole

FOLDS = 10
NOTES = (
    "The published latencies are sums of blocks that were timed one by one (a lookup table), of "
    "FBNet blocks on 32x32 inputs only: larger inputs, concatenations, pooling, SE gates and other "
    "blocks are extrapolated, and the interval does not cover that."
)


def main() -> None:
    data = Path(sys.argv[1])
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("latency_tables")
    with data.open(newline="") as file:
        rows = list(csv.DictReader(file))
    networks = [fbnet(map(int, row["ops"].split())) for row in rows]
    latency_ms = np.array([float(row["raspi4_ms"]) for row in rows])
    work = amounts([network_kernels(arch) for arch in networks])
    folds = [str(i % FOLDS) for i in range(len(rows))]
    logs = leave_out(work, latency_ms, folds)
    weights = fit_weights(work, latency_ms).weights
    found = error_of(logs, f"{FOLDS}-fold over networks", rows=len(rows))
    print(f"mape {found.mape:.1%}, x{found.interval_factor}")
    metadata = Metadata(
        name="raspberry-pi-4",
        device="Raspberry Pi 4, CPU",
        aliases=["raspi4"],
        provenance="calibrated",
        runtime="not stated",
        precision="fp32",
        date=datetime.now(UTC).date().isoformat(),
        sources=["HELP (Lee et al. 2021), HW-NAS-Bench (Li et al. 2021): FBNet, CIFAR-100, 32x32"],
        notes=NOTES,
        error=found,
        weights=named(weights),
    )
    path = folder / f"{metadata.name}.yaml"
    write_whole(path, metadata.to_yaml())
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
