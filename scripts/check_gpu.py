"""Checks training on a GPU in about two minutes: what the tests check on a CPU, and the two alike.

    python scripts/check_gpu.py [--device cuda]

Each check is a line with what was found; the exit status is 1 where one fails, 2 without a GPU.
With `--device cpu` the script tries itself.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from nas.architecture import Architecture
from nas.data import DataSet, load_data, stored
from nas.data.fit import fit_architecture
from nas.references import reference
from nas.training import Recipe, Trained, TrainingProgress, train
from nas.training.augment import augmented, mixed
from nas.training.batches import Pixels
from nas.training.export import export_trained

EVERYTHING = Recipe(
    epochs=4, resized_crop=0.5, trivial_augment=True, mixup=0.2, cutmix=1.0, erasing=0.25,
    balance="weights", patience=4,
)  # fmt: skip


class Checks:
    """The checks, with the data and the network that they share."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.data: DataSet = load_data("digits")
        self.arch: Architecture = fit_architecture(
            reference("mobilenet_v3_small_100", resolution=32), self.data
        )
        self.recipe = Recipe(epochs=4)
        self.first: Trained | None = None

    def train(self, recipe: Recipe, device: str | None = None, **options: object) -> Trained:
        return train(self.arch, self.data, recipe, device=device or self.device, **options)  # type: ignore[arg-type]

    def learns(self) -> str:
        began = time.monotonic()
        self.first = self.train(self.recipe)
        on_cpu = self.train(self.recipe, "cpu")
        assert abs(self.first.accuracy - on_cpu.accuracy) < 0.15, on_cpu.accuracy
        return (
            f"validation accuracy {self.first.accuracy:.1%}, on the CPU {on_cpu.accuracy:.1%}; "
            f"{time.monotonic() - began:.0f} s both"
        )

    def repeats(self) -> str:
        assert self.first is not None
        again = self.train(self.recipe)
        distance = abs(again.loss - self.first.loss)
        assert distance < 0.05 * self.first.loss, distance
        return f"a second training's loss is {distance:.1g} away"

    def goes_on(self) -> str:
        def stop(progress: TrainingProgress) -> None:
            if progress.last and progress.last.epoch == 2:
                raise KeyboardInterrupt

        with tempfile.TemporaryDirectory() as folder:
            try:
                self.train(self.recipe, output=Path(folder, "t"), progress=stop)
            except KeyboardInterrupt:
                done = self.train(self.recipe, output=Path(folder, "t"))
            exported = export_trained(done, self.data, Path(folder, "m.onnx"))
        assert self.first is not None
        assert abs(done.loss - self.first.loss) < 0.05 * self.first.loss
        assert abs(exported.accuracy - done.accuracy) < 0.01
        return f"stopped after 2 of 4 epochs; ONNX {exported.accuracy:.1%} by onnxruntime"

    def float32(self) -> str:
        done = self.train(self.recipe.changed(mixed_precision=False))
        assert self.first is not None
        assert abs(done.accuracy - self.first.accuracy) < 0.15
        return f"without mixed precision {done.accuracy:.1%}"

    def augments(self) -> str:
        """The same random numbers give the same images but for the rounding of a few pixels."""
        pixels = torch.from_numpy(np.asarray(self.data.train.pixels)[:256])
        labels = torch.from_numpy(self.data.train.labels[:256])
        results = []
        for device in ("cpu", self.device):
            generator = torch.Generator().manual_seed(0)
            changed = augmented(pixels.to(device), EVERYTHING, generator)
            results.append(mixed(changed, labels.to(device), 10, EVERYTHING, generator)[0].cpu())
        far = ((results[0].int() - results[1].int()).abs() > 1).double().mean().item()
        assert far < 0.01, far
        done = self.train(EVERYTHING)
        return f"{far:.2%} of pixels differ by more than 1; trained {done.accuracy:.1%}"

    def reads_what_it_does_not_hold(self) -> str:
        held = Pixels(self.data.train, 32, torch.device(self.device))
        with tempfile.TemporaryDirectory() as folder:
            rows = np.asarray(self.data.train.pixels)
            Path(folder, "x").write_bytes(rows.tobytes())
            file = stored.Stored(Path(folder, "x"), rows.shape[1:], len(rows))
            there = Pixels(
                dataclasses.replace(self.data, train=self.data.train._replace(pixels=file)).train,
                32, torch.device(self.device),
            )  # fmt: skip
            there._held = None
            chosen = torch.tensor([3, 1, 2])
            assert torch.equal(there[chosen], held[chosen])
        return "the same images"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda")
    device = parser.parse_args().device
    if device.startswith("cuda") and not torch.cuda.is_available():
        print("there is no GPU that torch can use", file=sys.stderr)
        return 2
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    print(f"torch {torch.__version__} on {name}", flush=True)
    checks, failed = Checks(device), 0
    all_of_them: tuple[Callable[[], str], ...] = (
        checks.learns, checks.repeats, checks.goes_on, checks.float32, checks.augments,
        checks.reads_what_it_does_not_hold,
    )  # fmt: skip
    for check in all_of_them:
        label = check.__name__.replace("_", " ")
        try:
            print(f"ok      {label}: {check()}", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAILED  {label}: {type(error).__name__} {error}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
