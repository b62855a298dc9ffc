"""`main`: the program of `measure.pyz`, which times the models of a bundle's folder."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from .batches import Entry, MeasuringProgress, run, write_whole
from .layout import lowering
from .timing import CPU, Failure, TimingSettings, full_provider

MANIFEST, RESULTS, FACTS = "manifest.json", "results.csv", "results.json"
FORMAT = 1
# The oldest versions that can run it; onnxruntime 1.8 is the first with opset 14.
NEEDED = {"numpy": (1, 15), "onnxruntime": (1, 8)}
# The processor features that decide a convolution's speed, in Linux's names for x86 and ARM.
FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16",
         "amx_int8", "neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve")  # fmt: skip


def main() -> None:
    """Times the models in the manifest and writes the results. With `--attached` the program ends
    when standard input does, because then whoever started it is gone."""
    if "--attached" in sys.argv[1:]:
        threading.Thread(target=_end_with_input, daemon=True).start()
    folder = Path(sys.argv[0]).resolve().parent
    try:
        check_versions({"numpy": np.__version__, "onnxruntime": onnxruntime.__version__})
        _measure(folder)
    except Failure as error:
        sys.exit(f"measure.pyz: {error}")
    except OSError as error:
        sys.exit(f"measure.pyz: {error.filename or folder}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted; all finished rows are in {RESULTS}; run again to go on")


def check_versions(installed: dict[str, str]) -> None:
    """Errors: `Failure` for a version below those in `NEEDED`."""
    for package, needed in NEEDED.items():
        found = tuple(int(number) for number in re.findall("[0-9]+", installed[package])[:2])
        if found < needed:
            least = ".".join(map(str, needed))
            said = f"{package} {installed[package]} is too old"
            raise Failure(f"{said}: install {least} or newer (pip install --upgrade {package})")


def _measure(folder: Path) -> None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        asked = TimingSettings(**manifest["settings"])
        entries = [_entry(facts) for facts in manifest["models"]]
        target, precision, minutes = (manifest[key] for key in ("target", "precision", "minutes"))
        _check(asked, target, precision, minutes)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise Failure(f"{MANIFEST} is damaged: copy the bundle again") from None
    settings = asked._replace(provider=full_provider(asked.provider))
    facts = {
        "format": FORMAT,
        "target": target,
        "precision": precision,
        **machine_facts(settings),
        "warnings": [],
    }
    write_whole(folder / FACTS, json.dumps(facts, indent=1))
    results = folder / RESULTS
    print(f"{facts['device']}: {len(entries)} models", flush=True)
    total = len(entries)
    outcome = run(folder / "models", entries, results, settings, minutes, _print, total)
    facts["warnings"] = outcome.warnings()
    write_whole(folder / FACTS, json.dumps(facts, indent=1))
    for warning in facts["warnings"]:
        print(f"warning: {warning}", flush=True)
    rest = "" if outcome.complete else "; run again to add more"
    print(f"{len(outcome.rows)} rows in {RESULTS}{rest}", flush=True)


def _check(asked: TimingSettings, target: str, precision: str, minutes: float) -> None:
    """Errors: `TypeError`, `ValueError` for settings that no bundle is written with."""
    if not all(isinstance(word, str) for word in (asked.provider, target, precision)):
        raise TypeError
    for number in (asked.threads, asked.visits):
        if not 0 < number < 1 << 20 or number != int(number) or isinstance(number, (bool, float)):
            raise ValueError(number)
    if not 0 < minutes < 1e9:
        raise ValueError(minutes)


def _entry(facts: Any) -> Entry:
    """A model of a manifest, whose files are in the bundle. Errors: `TypeError`, `ValueError`."""
    entry = Entry(**facts)
    if not (isinstance(entry.kind, str) and isinstance(entry.spec, str)):
        raise TypeError
    if not re.fullmatch(r"[0-9]+\.onnx", entry.file):
        raise ValueError(entry.file)
    for name, size in entry.weights.items():
        if not re.fullmatch(r"i8|zero|f[0-9]+\.[0-9]+", name) or not 0 <= size < 1 << 40:
            raise ValueError(name)
    return entry


def machine_facts(settings: TimingSettings) -> dict[str, Any]:
    """The facts that a target keeps of the machine it was measured on and of the settings."""
    device, flags = _processor()
    if settings.provider != CPU:
        device = _graphics() or device
    return {
        "device": device,
        "cpu_flags": flags,
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "provider": settings.provider,
        "threads": settings.threads,
        "lowering": lowering(settings.provider),
        "protocol": settings.protocol(),
        "date": date.today().isoformat(),
    }


def _processor() -> tuple[str, list[str]]:
    """The name of the board, or else of the processor, and those `FLAGS` that it has."""
    known: dict[str, str] = {}
    for line in _read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        known.setdefault(key.strip(), value.strip())
    board = _read("/proc/device-tree/model").strip("\0\n ")
    name = board or known.get("model name") or platform.processor() or platform.machine()
    has = f"{known.get('flags', '')} {known.get('Features', '')}".split()
    return name, [flag for flag in FLAGS if flag in has]


def _graphics() -> str:
    """The name of an NVIDIA card; empty where there is none or `nvidia-smi` cannot be run."""
    words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        said = subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.decode().splitlines()[0].strip() if said.strip() else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _print(progress: MeasuringProgress) -> None:
    print(progress, flush=True)


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(1)
