"""`Recipe`: all settings of a training; a recipe, a network and data determine the result."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nas.support.errors import NasError, check_type
from nas.support.validation import Settings, Whole, validated
from nas.support.yaml import read_yaml

Count = Annotated[Whole, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Minutes = Annotated[float, Field(gt=0, le=60 * 24 * 365, allow_inf_nan=False)]


FEWEST_STEPS, BATCHES, SMALLEST_BATCH = 1200, 16, 8
LONGEST = 5  # times the epochs that suit the images, where a training is given time
PIXELS = 64 * 160**2  # of a batch of large images: the maps of more take gigabytes


class Recipe(Settings):
    """The settings of a training.

    epochs, batch_size: the last, incomplete batch of an epoch is left out.
    minutes: the training takes no longer, by how long its own epochs take, and the `epochs` are as
        many as fit, at most those given; None makes all of them. The result then depends on the
        machine.
    images: the number of training images to use, drawn by `seed`; None uses all.
    optimiser, lr, momentum, weight_decay: SGD with Nesterov's momentum, or AdamW (which wants an
        `lr` of about 0.003 and a `weight_decay` of about 0.05); norms and biases do not decay.
    body_rate: what `lr` is multiplied by for all but the last layer: below 1 where trained weights
        are given a new classifier, 0 to train that alone.
    norm_sparsity: the weight of the L1 norm of all norms' scales in the loss (network slimming, Liu
        et al. 2017, who take 0.0001): scales that the loss can do without go to zero.
    warmup: share of the steps in which the rate rises linearly to `lr`; then it falls to zero along
        a cosine. 0.3 is the one-cycle policy (Smith and Topin 2017), 0 plain cosine annealing.
    label_smoothing: the share of a label that is spread over all classes (Szegedy et al. 2016).
    ema: the final weights are a moving average over about this share of the run (in which an old
        weight's part falls to 1/e); 0 takes the last weights.
    crop: images are padded with zeros by this share of their side and cut back at random offsets.
    flip: whether images are mirrored at random; None leaves it to the data set's `mirrored`.
    resized_crop: the smallest share of an image's area that a random crop enlarges to the whole
        (Szegedy et al. 2015, who take 0.08); 0: none.
    trivial_augment: one operation of random strength on each image, of colours or of geometry
        (Müller and Hutter 2021).
    mixup, cutmix: the two parameters of the Beta distribution by which images of a batch are mixed
        (Zhang et al. 2018: 0.2) or cut into each other (Yun et al. 2019: 1); 0: not.
    erasing: the probability that a rectangle of an image becomes noise (Zhong et al. 2020).
    balance: of classes of unequal size: "sampling" draws as many images of each in an epoch, with
        repetition, "weights" weighs a class in the loss by the inverse of its size.
    patience: the training ends when the validation loss has not fallen for so many epochs, and the
        weights of the epoch with the lowest one are kept; None: it runs to its end.
    distillation, temperature: with a teacher, the weight of its outputs beside that of the labels,
        and what both networks' outputs are divided by (Hinton et al. 2015).
    int8: share of the epochs, the last ones, that compute with int8's roundings, for a network that
        is exported as int8; at least one epoch, unless it is 0.
    mixed_precision: bfloat16 on a GPU that has it; a CPU always computes in float32.
    seed: determines initial weights, order, augmentation and the choice of `images`.
    """

    epochs: Count = 20
    minutes: Minutes | None = None
    batch_size: Annotated[Whole, Field(ge=2)] = 64
    images: Count | None = None
    optimiser: Literal["sgd", "adamw"] = "sgd"
    lr: Positive = 0.1
    momentum: Share = 0.9
    body_rate: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    weight_decay: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 5e-4
    norm_sparsity: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    warmup: Share = 0.3
    label_smoothing: Share = 0.1
    ema: Share = 0.02
    crop: Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)] = 0.125
    flip: bool | None = None
    resized_crop: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    trivial_augment: bool = False
    mixup: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.0
    cutmix: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.0
    erasing: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    balance: Literal["none", "sampling", "weights"] = "none"
    patience: Count | None = None
    distillation: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.7
    temperature: Positive = 4.0
    int8: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    mixed_precision: bool = True
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.patience is not None and self.int8:
            raise ValueError("patience: must be null with int8, which the last epochs are for")
        return self

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """The recipe of a YAML file. Errors: `NasError` with the path, the key and the rule."""
        source = f"recipe {path}"
        data = read_yaml(path, source)
        return validated(cls, {} if data is None else data, source)

    def suited(self, images: int, pixels: int = 0) -> Recipe:
        """The recipe for so many training images, of so many pixels each where that is known: small
        batches of few images or of large ones, and as many epochs as it takes to make
        `FEWEST_STEPS` steps, or the share of them that its epochs are of the default ones."""
        small = self.batched(images, pixels)
        fewest = FEWEST_STEPS * self.epochs / Recipe().epochs
        epochs = ceil(fewest / max(images // small.batch_size, 1))
        return small.changed(epochs=max(self.epochs, epochs))

    def batched(self, images: int, pixels: int = 0) -> Recipe:
        """The recipe with smaller batches of few images, or of images of many pixels.

        The learning rate goes with the batch size (Goyal et al. 2017).
        """
        size = self.batch_size
        while size > SMALLEST_BATCH and (images < BATCHES * size or size * pixels > PIXELS):
            size //= 2
        return self.changed(batch_size=size, lr=self.lr * size / self.batch_size)

    def timed(self, minutes: float) -> Recipe:
        """The recipe of a training that fills so many minutes, with `LONGEST` times the epochs at
        most."""
        return self.changed(minutes=minutes, epochs=LONGEST * self.epochs)

    def made(self, epochs: int) -> Recipe:
        """The recipe of a training that came to so many epochs, whatever limited its time."""
        if self.minutes is None:
            return self
        return self.model_copy(update={"minutes": None, "epochs": epochs})

    def changed(self, **changes: object) -> Recipe:
        """The recipe with those `changes` that are not None. Errors: `NasError` with the rule."""
        given = {key: value for key, value in changes.items() if value is not None}
        return validated(Recipe, {**self.model_dump(), **given}, "recipe")

    def steps_per_epoch(self, images: int) -> int:
        """The number of whole batches in an epoch, of `images` or of all of so many."""
        return min(self.images or images, images) // self.batch_size

    def steps(self, images: int) -> int:
        """The steps of the optimiser in a training with so many training images, 1 at least."""
        return self.epochs * max(self.steps_per_epoch(images), 1)

    def int8_epochs(self, epochs: int) -> int:
        """How many of so many epochs, the last ones, compute with int8's roundings."""
        return max(1, round(self.int8 * epochs)) if self.int8 else 0

    def check(self, images: int) -> None:
        """Errors: `NasError` where there are fewer training images than the recipe takes."""
        if self.images is not None and self.images > images:
            raise NasError(f"images {self.images}: there are {images} training images")
        if (count := self.images or images) < self.batch_size:
            raise NasError(
                f"batch_size {self.batch_size}: there are {count} training images: give a recipe "
                "with a smaller batch_size"
            )


def check_compared(recipe: object) -> None:
    """Checks that a recipe was given by which networks can be compared. Errors: `NasError`."""
    check_recipe(recipe)
    assert isinstance(recipe, Recipe)
    if recipe.minutes is not None:
        raise NasError(
            f"recipe: minutes {recipe.minutes:g}: networks are compared after equal epochs: give "
            "epochs instead"
        )


def check_recipe(recipe: object) -> None:
    """Checks that a program gave a recipe. Errors: `NasError`."""
    check_type(recipe, "recipe", "a Recipe, as Recipe.load gives", Recipe)


# Where a network begins with trained weights.
TRANSFER = Recipe(body_rate=0.1)
