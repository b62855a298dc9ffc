"""Calibrates targets to latencies that others published and writes them beside the shipped ones.

    python scripts/fit_published_targets.py DATA_FOLDER [FOLDER] [--only PREFIX]

DATA_FOLDER is as `scripts/latency_data.py` says; only prices, corrections and errors are kept of
it. The Jetsons are TensorRT's rows. raspberry-pi-4 is HELP's lookup table. Every device of ncnn's
table is calibrated in its settings without GPU (with one where there are no others), the fastest
first, until the error, each network left out, is at most `ACCEPTED`: that one is shipped as
ncnn/DEVICE, the others are listed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from latency_data import Known, read_fbnet, read_jetsons, read_ncnn

from nas.latency import Target
from nas.latency.calibration import calibrated_target, judged, usual_priors
from nas.support.files import write_whole

ACCEPTED = 0.15  # mean error of networks left out
JETSONS = {
    "jetson-agx-xavier": (["jetson"], "NVIDIA Jetson AGX Xavier, GPU"),
    "jetson-nano": ([], "NVIDIA Jetson Nano, GPU"),
}
TORCH2TRT = "NVIDIA-AI-IOT/torch2trt, docs/benchmarks: TensorRT, batch 1, 3x224x224, FP16"
HELP = "HELP (Lee et al. 2021), HW-NAS-Bench (Li et al. 2021): FBNet, CIFAR-100, 32x32"
NCNN = "Tencent/ncnn, benchmark/README: min of batch 1, 224x224 (squeezenet, alexnet 227)"
LOOKUP = (
    "The published latencies are sums of blocks that were timed one by one (a lookup table), of "
    "FBNet blocks on 32x32 inputs only."
)
POWER = {"1": "On the little cores alone.", "2": "On the big cores alone."}
# What people type, by what a device's name has.
ALIASES = (
    (r"Raspberry Pi (\d)\b(?!.*Overclock)", r"rpi\1"),
    (r"Snapdragon (\d+)\b(?! Gen)", r"snapdragon-\1"),
    (r"Snapdragon 8 Gen 2", "snapdragon-8-gen-2"),
    (r"Snapdragon X Elite", "snapdragon-x-elite"),
    (r"\bRK(\d+)\b", r"rk\1"),
    (r"Dimensity (\d+)", r"dimensity-\1"),
    (r"Jetson TX2 NX", "jetson-tx2"),
    (r"MacBook Air", "macbook-air"),
    (r"iPhone 5S", "iphone-5s"),
    (r"Orange ?Pi ?5", "orangepi5"),
)


def jetsons(folder: Path) -> Iterator[Target]:
    """The two boards."""
    known = read_jetsons(folder / "jetson_published.csv")
    for name, (aliases, device) in JETSONS.items():
        facts = {"aliases": aliases, "runtime": "TensorRT", "precision": "fp16"}
        yield calibrated(known[f"jetson/{name}-tensorrt"], name, device, TORCH2TRT, facts)


def raspberry_pi_4(folder: Path) -> Iterator[Target]:
    """HELP's lookup table."""
    known = read_fbnet(folder / "fbnet_cifar_latency_dev.csv")["fbnet/raspi4"]
    facts = {"aliases": ["raspi4"], "runtime": "not stated", "notes": LOOKUP}
    yield calibrated(known, "raspberry-pi-4", "Raspberry Pi 4, CPU", HELP, facts)


def ncnn(folder: Path) -> Iterator[Target]:
    """Every device in one setting."""
    settings: dict[str, list[tuple[str, Known]]] = {}
    for setting, known in read_ncnn(folder / "ncnn_dev.csv").items():
        settings.setdefault(setting.removeprefix("ncnn/").split("|")[0], []).append(
            (setting, known)
        )
    taken: set[str] = set()
    names: dict[str, int] = {}
    for device, found in settings.items():
        usual = [one for one in found if one[0].endswith(("|-1", "|"))]
        on_gpu = not usual
        usual = usual or found
        name = f"ncnn/{slug(device)}{'-vulkan' * on_gpu}"
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            name += f"-{names[name]}"
        aliases = [
            match.expand(alias) + "-vulkan" * on_gpu
            for pattern, alias in ALIASES
            if (match := re.search(pattern, device))
        ]
        fresh = [alias for alias in aliases if alias not in taken]
        taken.update(fresh)
        for setting, known in sorted(
            usual, key=lambda one: float(np.log(one[1].latency_ms).mean())
        ):
            _, threads, power, gpu = setting.split("|")
            runtime = "ncnn" if gpu in ("-1", "") else "ncnn (Vulkan)"
            facts = {"aliases": fresh, "runtime": runtime, "threads": int(threads)}
            if power != "0":
                facts["notes"] = POWER[power]
            target = calibrated(known, name, " ".join(device.split()), NCNN, facts)
            yield target
            if accepted(target):
                break


def accepted(target: Target) -> bool:
    """Whether it is good enough to be shipped."""
    return target.metadata.error is not None and target.metadata.error.mape <= ACCEPTED


def calibrated(known: Known, name: str, device: str, source: str, facts: dict[str, Any]) -> Target:
    """The target of a published device."""
    labels = {"name": name, "device": device, "sources": [source], "precision": "fp32", **facts}
    return calibrated_target(judged(known.networks, known.latency_ms, usual_priors()), labels)


def slug(device: str) -> str:
    """The device's name as part of a target's: what is in parentheses left out."""
    plain = device.replace("(R)", "").replace("®", "").replace("™", "")
    short = re.split(r"[(\[,]", plain)[0].removesuffix(" of Desktop") or device
    return re.sub(r"[^a-z0-9.]+", "-", short.lower()).strip("-.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("latency_tables"))
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    for targets in (jetsons, raspberry_pi_4, ncnn):
        if not targets.__name__.startswith(given.only):
            continue
        for target in targets(given.data):
            error = target.metadata.error
            assert error is not None
            said = f"{error.networks} networks, {error.mape:.1%}, x{error.interval_factor}"
            if not accepted(target):
                threads = target.metadata.threads
                print(f"refused {target.metadata.device}, {threads} threads: {said}", flush=True)
                continue
            path = given.folder / f"{target.name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, target.metadata.to_yaml())
            print(f"wrote {path}: {said}", flush=True)


if __name__ == "__main__":
    main()
