"""`train`: trains a network on a data set by a recipe; deterministic, and safe to kill."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.architecture import Architecture
from nas.data.dataset import DataSet, Images
from nas.formats.folded import unfold_norms
from nas.support.files import check_folder, given_path
from nas.support.ownership import owned
from nas.support.plain_torch import plain_torch
from nas.support.signals import stop_on_signal
from nas.torch_module import Network, build
from nas.training.accuracy import Metrics, evaluate, logits, metrics
from nas.training.batches import Normalise, Pixels, class_weights, subset, training_batches
from nas.training.checkpoint import (
    DataFacts,
    Epoch,
    Parts,
    State,
    is_over,
    is_training,
    kept_epoch,
    plugins_of,
    read_state,
    remove_checkpoints,
    restore,
    write_checkpoint,
    write_state,
    write_weights,
)
from nas.training.checks import check_fit, check_no_model, diverged, same_training
from nas.training.device import deterministic, device_of
from nas.training.fake_quantise import FakeQuantised
from nas.training.optimise import averaging, norm_penalty, optimiser_of, rate
from nas.training.pace import first_pace, pace
from nas.training.progress import TrainingProgress, TrainingReport
from nas.training.recipe import Recipe, check_recipe
from nas.training.scores import Scores
from nas.training.teacher import Teacher, distillation_loss
from nas.training.trained import Trained

REPORT_EVERY = 10  # steps
SHOWN = 128  # images by which norms that were folded are told their statistics


class Start(NamedTuple):
    """Weights to begin with: what tells them from others, and the module that has them, which is
    made only where a training begins."""

    identity: str
    module: Callable[[], nn.Module]


@plain_torch()
def train(
    arch: Architecture,
    data: DataSet,
    recipe: Recipe | None = None,
    *,
    output: str | Path | None = None,
    device: str | None = None,
    teacher: Teacher | None = None,
    start: Start | None = None,
    progress: TrainingReport = lambda progress: None,
) -> Trained:
    """Trains a network and returns it with its history.

    With a `teacher` it learns from that one's outputs too (see `Recipe`); it begins with the
    weights of `start` where those are given.

    An `output` folder keeps every finished epoch, and a training that was stopped goes on from it;
    on a CPU the result is the same to the bit. `progress` is called every few steps, and after
    every epoch once that is on disk; an exception it raises ends the training. `device` is torch's
    name of a device; without one a GPU is used if there is one. Errors: `NasError` for a network
    that does not fit the data, a folder with another training, or a loss that is no number.
    """
    where = device_of(device)
    folder = None if output is None else given_path(output, "output")
    return _Run(arch, data, recipe or Recipe(), folder, where, teacher, start, progress).run()


class _Run:
    """One training: its parts, and the state that is on disk."""

    def __init__(
        self,
        arch: Architecture,
        data: DataSet,
        recipe: Recipe,
        output: Path | None,
        device: torch.device,
        teacher: Teacher | None,
        start: Start | None,
        progress: TrainingReport,
    ) -> None:
        check_fit(arch, data)
        if teacher is not None:
            teacher.check(data)
        check_recipe(recipe)
        recipe.check(len(data.train.labels))
        if output is not None:
            check_folder(output)
        self.arch, self.data, self.recipe = arch, data, recipe
        self.output, self.device, self.progress = output, device, progress
        self.teacher, self.start = teacher, start
        self.stopping = False
        self.rounded: FakeQuantised | None = None
        self.state = State(
            architecture=arch.to_dict(),
            recipe=recipe,
            data=DataFacts.of(data),
            device=str(device),
            teacher=None if teacher is None else teacher.checksum,
            start=None if start is None else start.identity,
            plugins=plugins_of(arch, data),
        )

    def run(self) -> Trained:
        with nullcontext() if self.output is None else owned(self.output):
            return self._run()

    def _run(self) -> Trained:
        if self.output is not None and is_training(self.output):
            kept = read_state(self.output)
            self.state = same_training(kept, self.state, self.output)
            if self.state.finished:
                if self.state != kept:  # where its data are now
                    write_state(self.output, self.state)
                return Trained.load(self.output)
        elif self.output is not None:
            check_no_model(self.output)
        with deterministic(), stop_on_signal(self._stop):
            images = self._pixels(subset(self.data.train, self.recipe))
            self.per_epoch = self.recipe.steps_per_epoch(len(images))
            validation = self._pixels(self.data.validation)
            self.normalise = Normalise(self.data, self.device)
            module = build(self.arch, seed=self.recipe.seed)
            module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            if self.start is not None and not self.state.history:
                module.load_state_dict(self.start.module().state_dict())
                unfold_norms(module, self.normalise(images[_spread(len(images))]))
            average, self.update = averaging(module, self.recipe)
            best: dict[str, Tensor] | None = None if self.recipe.patience is None else {}
            self.parts = Parts(module, average, optimiser_of(module, self.recipe), best)
            self.weights = self._class_weights(images)
            if self.output is not None:
                restore(self.output, self.state, self.parts)
            self.began, self.first = time.monotonic(), len(self.state.history) * self.per_epoch
            while not is_over(self.recipe, self.state.history):
                self._finish_epoch(len(self.state.history), images, validation)
            return self._finish(validation)

    def _stop(self) -> None:
        self.stopping = True

    def _pixels(self, images: Images) -> Pixels:
        return Pixels(images, self.arch.resolution, self.device)

    def _class_weights(self, images: Pixels) -> Tensor | None:
        if self.recipe.balance != "weights":
            return None
        return class_weights(images.labels, self.arch.classes).float()

    def _finish_epoch(self, epoch: int, images: Pixels, validation: Pixels) -> None:
        began = time.monotonic()
        loss, accuracy = self._epoch(epoch, images)
        reached = self._evaluated(validation, epoch + 1)
        done = Epoch(
            epoch=epoch + 1,
            loss=loss,
            accuracy=accuracy,
            validation_loss=reached.loss,
            validation_accuracy=reached.accuracy,
            seconds=time.monotonic() - began,
        )
        self.state = self.state.model_copy(update={"history": (*self.state.history, done)})
        if self.parts.best is not None and kept_epoch(self.recipe, self.state.history) is done:
            weights = self.parts.average.state_dict()
            self.parts.best.update({name: value.clone() for name, value in weights.items()})
        if self.output is not None:
            self.state = write_checkpoint(self.output, self.state, self.parts)
        self._report(epoch, (epoch + 1) * self.per_epoch, loss, accuracy)

    def _evaluated(self, images: Pixels, epoch: int) -> Metrics:
        metrics = evaluate(self.parts.average, images, self.normalise)
        if not np.isfinite(metrics.loss):
            raise diverged(epoch)
        return metrics

    def _scored(self, images: Pixels) -> tuple[Scores, Metrics]:
        """The scores of the final weights."""
        outputs = logits(self.parts.average, images, self.normalise).cpu()
        labels = images.labels.cpu()
        measured = metrics(outputs, labels)
        if not np.isfinite(measured.loss):
            raise diverged(self.recipe.epochs)
        return Scores.of(outputs, labels), measured

    def _epoch(self, epoch: int, images: Pixels) -> tuple[float, float]:
        """Trains one epoch; returns the mean loss and accuracy of its batches."""
        module, _, optimiser, _ = self.parts
        module.train()
        seconds = [done.seconds for done in self.state.history]
        self.pace, began = pace(self.recipe, seconds), time.monotonic()
        if self.pace.left <= self.recipe.int8_epochs(epoch + self.pace.left):
            assert isinstance(module, Network)
            self.rounded = FakeQuantised(module)
        total = torch.zeros(2, dtype=torch.float64, device=self.device)
        batches = training_batches(
            images, self.recipe, self.data.mirrored, epoch, self.arch.classes
        )
        for i, (pixels, labels) in enumerate(batches):
            step, part = epoch * self.per_epoch + i, i / self.per_epoch
            if not seconds:
                self.pace = first_pace(self.recipe, part, time.monotonic() - began)
            for group in optimiser.param_groups:
                group["lr"] = group["factor"] * rate(self.recipe, self.pace.at(part))
            total += self._step(pixels, labels)
            self.update(step, self._steps(epoch))
            if self.stopping:
                raise KeyboardInterrupt
            if (i + 1) % REPORT_EVERY == 0 or i + 1 == self.per_epoch:
                loss, accuracy = (total / (i + 1)).tolist()
                if not np.isfinite(loss):
                    raise diverged(epoch + 1)
                if i + 1 < self.per_epoch:
                    self._report(epoch, step + 1, loss, accuracy)
        if self.rounded is not None:  # what is measured and written is float
            self.rounded.close()
        return loss, accuracy

    def _step(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Takes one step of the optimiser; returns (loss, accuracy) of the batch, on the device."""
        module, _, optimiser, _ = self.parts
        optimiser.zero_grad(set_to_none=True)
        on_gpu = self.device.type == "cuda"
        mixed = on_gpu and self.recipe.mixed_precision and torch.cuda.is_bf16_supported()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            outputs = (self.rounded or module)(self.normalise(pixels))
        outputs = outputs.float()
        if self.teacher is None:
            smoothing = self.recipe.label_smoothing
            loss = functional.cross_entropy(
                outputs, labels, self.weights, label_smoothing=smoothing
            )
        else:
            targets = self.teacher.targets(pixels).clone()  # not of inference mode
            loss = distillation_loss(outputs, targets, labels, self.recipe, self.weights)
        sparse = self.recipe.norm_sparsity > 0
        (loss + norm_penalty(module, self.recipe) if sparse else loss).backward()
        optimiser.step()
        likeliest = labels.argmax(1) if labels.ndim == 2 else labels  # of mixed images
        right = (outputs.detach().argmax(1) == likeliest).double().mean()
        return torch.stack([loss.detach().double(), right])

    def _steps(self, epoch: int) -> int:
        """The steps of all epochs, as they are planned in this one."""
        return (epoch + self.pace.left) * self.per_epoch

    def _report(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        fresh, steps = step - self.first, self._steps(epoch)
        elapsed = time.monotonic() - self.began
        left = elapsed / fresh * (steps - step) if fresh else None
        last = self.state.history[-1] if self.state.history else None
        epochs = epoch + self.pace.left
        self.progress(TrainingProgress(epoch + 1, epochs, step, steps, loss, accuracy, last, left))

    def _finish(self, validation: Pixels) -> Trained:
        update: dict[str, object] = {"finished": True, "tensors": None}
        if self.parts.best is not None:
            self.parts.average.load_state_dict(self.parts.best)
        update["validation_scores"] = self._scored(validation)[0]
        if self.data.test is not None:
            scores, test = self._scored(self._pixels(self.data.test))
            update |= {"test_accuracy": test.accuracy, "test_loss": test.loss}
            update["test_scores"] = scores
        self.state = self.state.model_copy(update=update)
        average = self.parts.average
        assert isinstance(average, Network)
        if self.output is not None:
            write_weights(self.output, average)
            write_state(self.output, self.state)
            remove_checkpoints(self.output)
        return Trained.of(self.state, average.to(memory_format=torch.contiguous_format))  # type: ignore[call-overload]


def _spread(images: int) -> Tensor:
    """The indices of some images, from all over the set: they may be in the order of classes."""
    return torch.linspace(0, images - 1, min(images, SHOWN)).long()
