"""`Recipe`: all settings of a training; a recipe, a network and data determine the result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from nas.support.errors import NasError
from nas.support.validation import Settings, validated
from nas.support.yaml import read_yaml

Count = Annotated[int, Field(ge=1, strict=True)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


FEWEST_STEPS, BATCHES, SMALLEST_BATCH = 1200, 16, 8


class Recipe(Settings):
    """The settings of a training.

    epochs, batch_size: the last, incomplete batch of an epoch is left out.
    images: the number of training images to use, drawn by `seed`; None uses all.
    optimiser, lr, momentum, weight_decay: SGD with Nesterov's momentum, or AdamW (which wants an
        `lr` of about 0.003 and a `weight_decay` of about 0.05); norms and biases do not decay.
    warmup: share of the steps in which the rate rises linearly to `lr`; then it falls to zero along
        a cosine. 0.3 is the one-cycle policy (Smith and Topin 2017), 0 plain cosine annealing.
    label_smoothing: the share of a label that is spread over all classes (Szegedy et al. 2016).
    ema: the final weights are a moving average over about this share of the run (in which an old
        weight's part falls to 1/e); 0 takes the last weights.
    crop: images are padded with zeros by this share of their side and cut back at random offsets.
    flip: whether images are mirrored at random; None leaves it to the data set's `mirrored`.
    mixed_precision: bfloat16 on a GPU that has it; a CPU always computes in float32.
    seed: determines initial weights, order, augmentation and the choice of `images`.
    """

    epochs: Count = 20
    batch_size: Annotated[int, Field(ge=2, strict=True)] = 64
    images: Count | None = None
    optimiser: Literal["sgd", "adamw"] = "sgd"
    lr: Positive = 0.1
    momentum: Share = 0.9
    weight_decay: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 5e-4
    warmup: Share = 0.3
    label_smoothing: Share = 0.1
    ema: Share = 0.02
    crop: Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)] = 0.125
    flip: bool | None = None
    mixed_precision: bool = True
    seed: Annotated[int, Field(ge=0, lt=2**32, strict=True)] = 0

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """The recipe of a YAML file. Errors: `NasError` with the path, the key and the rule."""
        source = f"recipe {path}"
        data = read_yaml(path, source)
        return validated(cls, {} if data is None else data, source)

    @classmethod
    def suited(cls, images: int) -> Recipe:
        """The default recipe for so many training images: small batches of few images, as many
        epochs as it takes to make `FEWEST_STEPS` steps.

        The learning rate goes with the batch size (Goyal et al. 2017).
        """
        default = cls()
        size = default.batch_size
        while size > SMALLEST_BATCH and images < BATCHES * size:
            size //= 2
        epochs = -(-FEWEST_STEPS // max(images // size, 1))
        rate = default.lr * size / default.batch_size
        return cls(batch_size=size, lr=rate, epochs=max(default.epochs, epochs))

    def changed(self, **changes: object) -> Recipe:
        """The recipe with those `changes` that are not None. Errors: `NasError` with the rule."""
        given = {key: value for key, value in changes.items() if value is not None}
        return validated(Recipe, {**self.model_dump(), **given}, "recipe")

    def check(self, images: int) -> None:
        """Errors: `NasError` where there are fewer training images than the recipe takes."""
        if self.images is not None and self.images > images:
            raise NasError(f"images {self.images}: there are {images} training images")
        if (count := self.images or images) < self.batch_size:
            raise NasError(
                f"batch_size {self.batch_size}: there are {count} training images: give a recipe "
                "with a smaller batch_size"
            )
