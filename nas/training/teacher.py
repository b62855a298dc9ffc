"""Knowledge distillation: a trained network whose outputs another one learns (Hinton et al. 2015,
arXiv 1503.02531)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, FiniteFloat, Json
from torch import Tensor, nn
from torch.nn import functional

from nas.data.dataset import DataSet
from nas.resolution import Resolution, resolution_of, sides
from nas.support.errors import NasError, one_line
from nas.support.files import check_file, inside, read_bytes
from nas.support.plain_torch import plain_torch
from nas.support.validation import Settings, validated
from nas.training.batches import resized
from nas.training.checkpoint import WEIGHTS, is_training
from nas.training.recipe import Recipe
from nas.training.trained import Trained, check_classes, check_sizes

MADE_HERE = {"classes", "mean", "deviation", "preparation"}  # metadata of what `nas export` writes
Moments = tuple[Sequence[float], Sequence[float]]  # means and standard deviations of the channels


class _Made(Settings):
    """What the metadata of an exported file say of its training."""

    mean: Json[tuple[FiniteFloat, ...]]
    deviation: Json[tuple[Annotated[FiniteFloat, Field(gt=0)], ...]]
    classes: Json[tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained network: `logits` gives the outputs for normalised images of its `resolution`.

    `checksum` is its identity, `moments` are those of the images that it was trained on.
    """

    name: str
    checksum: str
    logits: Callable[[Tensor], Tensor]
    resolution: Resolution
    classes: int
    channels: int
    moments: Moments

    @classmethod
    def of(
        cls, name: str, checksum: str, module: nn.Module, resolution: Resolution, moments: Moments
    ) -> Teacher:
        """The teacher that a module is, of as many channels as there are moments."""
        module.eval()
        channels = len(moments[0])

        def logits(images: Tensor) -> Tensor:
            with torch.inference_mode():
                outputs: Tensor = module.to(images.device)(images)
            return outputs

        classes = logits(torch.zeros(1, channels, *sides(resolution))).shape[1]
        return cls(name, checksum, logits, resolution, classes, channels, moments)

    @classmethod
    @plain_torch()
    def load(cls, name: str, data: DataSet) -> Teacher:
        """The teacher in the folder of a finished training, or in an ONNX file, which runs through
        onnxruntime. Errors: `NasError`, also where it is none for the data."""
        check_teacher(name)
        read = _of_training if is_training(name) else _of_onnx
        teacher = read(Path(name), data)
        teacher.check(data)
        return teacher

    def check(self, data: DataSet) -> None:
        """Errors: `NasError` where the teacher's classes or channels are not those of the data."""
        check_sizes(f"teacher {self.name}", self.classes, self.channels, data)

    def targets(self, pixels: Tensor) -> Tensor:
        """The outputs (N, classes) for images of uint8 (N, C, H, W) of any size."""
        shown = resized(pixels, self.resolution).float()
        mean, deviation = (
            torch.tensor(m, device=pixels.device).view(1, -1, 1, 1) for m in self.moments
        )
        return self.logits((shown / 255 - mean) / deviation).float()


def check_teacher(name: str) -> None:
    """Errors: `NasError` for what is neither a training's folder nor an ONNX file that is there."""
    if is_training(name):
        return
    if Path(name).suffix != ".onnx":
        raise NasError(
            f"teacher {name!r:.200}: must be trained: the folder of a training or an ONNX file"
        )
    check_file(name, name)


def distillation_loss(
    outputs: Tensor,
    targets: Tensor,
    labels: Tensor,
    recipe: Recipe,
    class_weights: Tensor | None = None,
) -> Tensor:
    """The recipe's mean of cross-entropy with the labels and of divergence from the teacher.

    The divergence is Kullback-Leibler's between outputs that are divided by the temperature T,
    times T², so that its gradient's size does not depend on T. Targets are the teacher's outputs.
    """
    hard = functional.cross_entropy(
        outputs, labels, class_weights, label_smoothing=recipe.label_smoothing
    )
    t = recipe.temperature
    soft = functional.kl_div(
        functional.log_softmax(outputs / t, 1),
        functional.log_softmax(targets / t, 1),
        reduction="batchmean",
        log_target=True,
    )
    return (1 - recipe.distillation) * hard + recipe.distillation * t * t * soft


def _of_training(folder: Path, data: DataSet) -> Teacher:
    trained = Trained.load(folder)
    facts = trained.data
    check_classes(f"teacher {folder}", facts.classes, data)
    path = inside(folder, WEIGHTS, f"training {folder}")
    checksum = sha256(read_bytes(path, str(path), most=None)).hexdigest()
    moments = facts.mean, facts.deviation
    return Teacher.of(str(folder), checksum, trained.module, trained.arch.resolution, moments)


def _of_onnx(path: Path, data: DataSet) -> Teacher:
    import onnxruntime

    content = read_bytes(path, str(path), most=None)
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an error of its own for every kind of damage
        raise NasError(f"teacher {path}: {one_line(error)[:200]}") from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    if len(shape) != 4 or not all(isinstance(size, int) for size in shape[1:]):
        raise NasError(f"teacher {path}: must take one image (N, C, H, W) of a fixed size")
    if inputs[0].type != "tensor(float)":
        raise NasError(f"teacher {path}: must take float32, not {inputs[0].type}")
    about = session.get_modelmeta().custom_metadata_map
    moments: Moments = data.moments
    if about.keys() >= MADE_HERE:
        made = {key: about[key] for key in _Made.model_fields}
        facts = validated(_Made, made, f"teacher {path}")
        moments = facts.mean, facts.deviation
        if {*map(len, moments)} != {shape[1]}:
            raise NasError(f"teacher {path}: mean and deviation must be of its {shape[1]} channels")
        check_classes(f"teacher {path}", facts.classes, data)
    each = shape[0] if isinstance(shape[0], int) else None

    def logits(images: Tensor) -> Tensor:
        whole = images.cpu()
        missing = -len(whole) % each if each else 0
        filled = torch.cat([whole, whole.new_zeros(missing, *whole.shape[1:])])
        parts = filled.split(each or len(filled))
        found = [session.run([outputs[0].name], {inputs[0].name: p.numpy()})[0] for p in parts]
        made = torch.cat([torch.from_numpy(part) for part in found])[: len(whole)]
        return made.flatten(1).to(images.device)

    some = torch.zeros(each or 1, *shape[1:])
    classes = logits(some).shape[1]
    checksum = sha256(content).hexdigest()
    size = resolution_of(shape[2], shape[3])
    return Teacher(str(path), checksum, logits, size, classes, shape[1], moments)
