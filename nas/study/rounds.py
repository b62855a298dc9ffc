"""What a study's rounds of training have trained, as it stores it; see `nas.study.learning`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

from nas.study.study import Study

ROUNDS = "nas:rounds"


class Measured(NamedTuple):
    """A network that a round trained: its validation accuracy in percent after the last epoch, or
    what is inferred of it where its training was stopped."""

    trial: int
    accuracy: float
    complete: bool


def read_rounds(study: Study) -> list[dict[str, Any]]:
    """The rounds so far: the `trials` that each trains, how many networks were learned from
    `before` it, and once it is finished the `accuracies`, those that are `complete`, the `early`
    ones after a third of the epochs, and the `seconds`."""
    rounds: list[dict[str, Any]] = deepcopy(study.log.attributes().get(ROUNDS, []))
    return rounds


def trained(study: Study) -> dict[int, Measured]:
    """What the finished rounds have trained, by trial."""
    rounds = [each for each in read_rounds(study) if "accuracies" in each]
    return {
        int(trial): Measured(int(trial), accuracy, int(trial) in each["complete"])
        for each in rounds
        for trial, accuracy in each["accuracies"].items()
    }
