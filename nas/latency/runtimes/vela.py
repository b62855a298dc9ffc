"""Arm's Vela compiler and what it estimates for an Ethos-U NPU: no silicon is measured."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ethosu.vela import vela

from nas.latency.runtimes import Layer
from nas.latency.runtimes.accelerators import Accelerator
from nas.support.errors import NasError
from nas.support.silence import silent

PACKAGE, CONFIG = "ethos-u-vela", "Arm/vela.ini"
KIB = 1024.0
FLASH = ("on_chip_flash_memory_used", "off_chip_flash_memory_used")


class Estimate(NamedTuple):
    """What Vela says of a network: the latency in ms, the memory in bytes that it takes of SRAM
    (activations, weights in passing) and of flash (weights and commands), how many operations are
    left to the processor beside the NPU, and the layers of the NPU with their times."""

    latency_ms: float
    sram_bytes: float
    flash_bytes: float
    on_cpu: int
    layers: list[Layer]


def title() -> str:
    """Its name and version."""
    return f"vela {version(PACKAGE)}"


def estimate(model: bytes, accelerator: Accelerator) -> Estimate:
    """What Vela estimates for an int8 TFLite model. The same model gives the same numbers.

    Errors: `NasError` where it cannot compile the model.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "model.tflite"
        path.write_bytes(model)
        said = _compiled(path, accelerator)
        (summary,) = _rows(folder, "summary", said)
        rows = _rows(folder, "per-layer", said)
    ms_a_cycle = 1e3 / float(summary["core_clock"])
    layers = [
        Layer(row["NNG Operator"], (row["Name"],), float(row["Op Cycles"]) * ms_a_cycle)
        for row in rows
        if row["Target"] == "NPU" and float(row["Op Cycles"]) > 0
    ]
    return Estimate(
        float(summary["inference_time"]) * 1e3,
        float(summary["sram_memory_used"]) * KIB,
        sum(float(summary[key]) for key in FLASH) * KIB,
        sum(row["Target"] == "CPU" for row in rows),
        layers,
    )


def _compiled(path: Path, accelerator: Accelerator) -> str:
    """Compiles the model, with its reports beside it; returns what Vela printed."""
    words = ["--accelerator-config", accelerator.name, "--config", CONFIG]
    words += ["--system-config", accelerator.system, "--memory-mode", accelerator.memory]
    words += ["--output-dir", str(path.parent), "--verbose-performance"]
    printed = StringIO()
    with _printed_to(printed):
        try:
            vela.main([str(path), *words])
        except (Exception, SystemExit) as error:
            reason = " ".join((printed.getvalue() or str(error)).split())
            raise NasError(f"Vela cannot compile it: {reason:.200}") from None
    return printed.getvalue()


@contextmanager
def _printed_to(text: StringIO) -> Iterator[None]:
    """A context whose prints, from Python, go to `text`, and from C++ nowhere."""
    with silent(), redirect_stdout(text), redirect_stderr(text):
        yield


def _rows(folder: Path, kind: str, said: str) -> list[dict[str, str]]:
    for path in folder.glob(f"*{kind}*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    raise NasError(f"Vela wrote no {kind}: {' '.join(said.split()):.200}")
