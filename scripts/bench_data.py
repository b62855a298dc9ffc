"""Training on more images than are held in memory: how much memory it takes, and what it waits for.

    python scripts/bench_data.py > scripts/results/data.md

Makes a folder of made-up photographs (JPEG, 224 px high, half of them at right angles), then trains
MobileNetV3-small for a few steps in a new process, twice: the first has to decode the images, the
second finds them in the cache. Batches are then drawn alone, and the network trained alone on one
batch that is there. Nothing is left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES, SIDE, LONGER = 10, 224, 300
NETWORK = "mobilenet_v3_small_100"


def photograph(path: Path, rng: np.random.Generator, label: int) -> None:
    """A JPEG file with smooth patches of random colours, and noise as a sensor's."""
    size = (LONGER, SIDE) if rng.random() < 0.5 else (SIDE, LONGER)
    coarse = rng.integers(0, 256, (6 + label, 8 + label, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), np.int16)
    noise = rng.integers(-12, 13, smooth.shape, np.int16)
    pixels = (smooth + noise).clip(0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=90)


def child(folder: str, steps: int, cached: bool) -> None:
    """Trains, and prints what it took as JSON."""
    began = time.monotonic()
    import torch

    from nas.data import load_data
    from nas.references import reference
    from nas.torch_module import build
    from nas.training import Recipe, TrainingProgress, evaluate, train
    from nas.training.batches import Normalise, Pixels
    from nas.training.checkpoint import DataFacts

    data = load_data(folder)
    loaded = time.monotonic()
    DataFacts.of(data)
    known = time.monotonic()
    recipe = Recipe(epochs=1).batched(len(data.train.labels), SIDE**2)
    arch = reference(NETWORK, resolution=SIDE, classes=CLASSES)
    rates = alone(folder, 5) if cached else {}
    at: list[float] = []

    def stop(done: TrainingProgress) -> None:
        at.append(time.monotonic())
        if done.step >= steps:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        train(arch, data, recipe, device="cpu", progress=stop)
    cpu = torch.device("cpu")
    evaluate(build(arch, seed=0), Pixels(data.validation, SIDE, cpu), Normalise(data, cpu))
    print(json.dumps({
        "reading": loaded - began, "moments": known - loaded,
        "rate": recipe.batch_size * (steps - 10) / (at[-1] - at[0]),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "alone": rates,
    }))  # fmt: skip


def alone(folder: str, steps: int) -> dict[str, float]:
    """Images a second of the batches without a network, and of the network without batches."""
    import torch

    from nas.data import load_data
    from nas.references import reference
    from nas.torch_module import build
    from nas.training import Recipe
    from nas.training.batches import Normalise, Pixels, training_batches

    data, cpu = load_data(folder), torch.device("cpu")
    normalise = Normalise(data, cpu)
    recipe = Recipe().batched(len(data.train.labels), SIDE**2)

    def batches(resolution: int) -> Iterator[torch.Tensor]:
        images = Pixels(data.train, resolution, cpu)
        for _, (pixels, _) in zip(
            range(steps), training_batches(images, recipe, True, 0), strict=False
        ):
            yield normalise(pixels)

    rates = {}
    for resolution in (192, SIDE):
        began = time.monotonic()
        for batch in batches(resolution):
            last = batch
        rates[f"batches of {resolution} px"] = (
            recipe.batch_size * steps / (time.monotonic() - began)
        )
    module = build(reference(NETWORK, resolution=SIDE, classes=CLASSES), seed=0)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    began = time.monotonic()
    for _ in range(5):
        module(last).square().mean().backward()
    rates["network"] = recipe.batch_size * 5 / (time.monotonic() - began)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=20, help="a multiple of 10")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--cached", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.steps, args.cached)
        return
    with tempfile.TemporaryDirectory() as there:
        rng = np.random.default_rng(0)
        for i in range(args.images):
            label = i % CLASSES
            photograph(Path(there, "photos", str(label), f"{i}.jpg"), rng, label)
        size = sum(p.stat().st_size for p in Path(there, "photos").rglob("*.jpg")) / 2**30
        cores = len(os.sched_getaffinity(0))
        print("# Training on more images than are held in memory\n")
        print(
            f"`scripts/bench_data.py`: {args.images:,} photographs of {LONGER}x{SIDE} px "
            f"({size:.2f} GiB of JPEG, {args.images * 3 * SIDE**2 / 2**30:.2f} GiB decoded), "
            f"MobileNetV3-small at {SIDE} px, {args.steps} steps, {cores} cores.\n"
        )
        print("| | decoding | images in the cache |\n|---|---|---|")
        words = [sys.executable, __file__, "--child", f"{there}/photos", "--steps"]
        env = {**os.environ, "NAS_CACHE": f"{there}/cache"}
        runs = []
        for cached in ([], ["--cached"]):
            done = subprocess.run(
                [*words, str(args.steps), *cached], env=env, check=True, stdout=subprocess.PIPE
            )
            runs.append(json.loads(done.stdout))
        first, second = runs
        for what, key, unit in (
            ("start, reading and decoding", "reading", "s"),
            ("mean and deviation of the pixels", "moments", "s"),
            ("training, images a second", "rate", ""),
            ("largest resident memory", "peak", "GiB"),
        ):
            print(f"| {what} | {first[key]:.2f} {unit} | {second[key]:.2f} {unit} |")
        for part, alone in second["alone"].items():
            print(f"| {part} alone, images a second | | {alone:.0f} |")


if __name__ == "__main__":
    main()
