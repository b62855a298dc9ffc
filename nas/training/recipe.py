"""`Recipe`: every setting of a training, so that a recipe, a network and data give one result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from nas.support.validation import Settings, validated
from nas.support.yaml import read_yaml

Count = Annotated[int, Field(ge=1, strict=True)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class Recipe(Settings):
    """How a network is trained.

    epochs, batch_size: the last, incomplete batch of an epoch is left out.
    images: that many training images only, drawn by `seed`; None is all of them.
    optimiser, lr, momentum, weight_decay: SGD with Nesterov's momentum, or AdamW (which wants an
        `lr` of about 0.003 and a `weight_decay` of about 0.05); norms and biases do not decay.
    warmup: share of the steps in which the rate rises linearly to `lr`; it then falls to zero along
        a cosine. 0.3 is the one-cycle policy (Smith and Topin 2017), 0 plain cosine annealing.
    label_smoothing: Szegedy et al. 2016.
    ema: the weights that count are a moving average that looks back over this share of the run
        (the time in which an old weight's part falls to 1/e); 0 counts the last weights.
    crop: images are padded by this share of their side with zeros and cut back at random places.
    flip: whether images are mirrored at random; None where the data set says it makes sense.
    mixed_precision: bfloat16 on a GPU that has it; a CPU always computes in float32.
    seed: initial weights, order, augmentation and choice of `images`.
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

    def changed(self, **changes: object) -> Recipe:
        """The recipe with what is not None among `changes`. Errors: `NasError` with the rule."""
        given = {key: value for key, value in changes.items() if value is not None}
        return validated(Recipe, {**self.model_dump(), **given}, "recipe")
