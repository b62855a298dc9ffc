"""How far a training is, as it is told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nas.training.checkpoint import Epoch


class TrainingProgress(NamedTuple):
    """How far a training is: `step` of `steps`, in epoch `epoch` (from 1) of `epochs`.

    `loss` and `accuracy` are of the training images that the epoch has seen so far; `last` is the
    last finished epoch. `seconds_left` is None before the first step is timed.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    last: Epoch | None
    seconds_left: float | None


TrainingReport = Callable[[TrainingProgress], None]
