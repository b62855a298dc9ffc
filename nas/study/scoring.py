"""What a search raises: predicted accuracy, a combined score of proxies, or inherited accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from math import sqrt
from typing import TYPE_CHECKING, Any, Protocol

from nas.accuracy import AccuracyModel, Prediction
from nas.architecture import Architecture
from nas.proxies.combine import Combiner
from nas.support.errors import NasError

if TYPE_CHECKING:
    from nas.pruning.evaluate import Inheritance

Outcome = dict[str, float]
Z90 = 1.6449  # standard deviations of a 90% interval


def predicted(model: AccuracyModel, archs: Iterable[Architecture]) -> list[Prediction]:
    """The model's predictions in percent, whatever it was adapted with."""
    share = 100 / model.unit
    return [Prediction(*(share * value for value in each)) for each in model.predict_many(archs)]


class Scorer(Protocol):
    """How candidates are evaluated, and what an evaluation's outcome is worth: more is better."""

    def submit(self, executor: Executor, arch: Architecture) -> Future[Outcome]:
        """The evaluation of a network, which may run in the `executor`."""

    def score(self, outcome: Outcome) -> float:
        """What a search raises."""

    def attributes(self, outcome: Outcome) -> dict[str, Any]:
        """What is stored with the trial."""


class Predicted:
    """Scores by a model's predicted accuracy. That is analytic, so no executor is troubled."""

    def __init__(self, model: AccuracyModel) -> None:
        self.model = model

    def submit(self, executor: Executor, arch: Architecture) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        try:
            future.set_result(predicted(self.model, [arch])[0]._asdict())
        except NasError as error:
            future.set_exception(error)
        return future

    def score(self, outcome: Outcome) -> float:
        return outcome["value"]

    def attributes(self, outcome: Outcome) -> dict[str, Any]:
        return {"predicted_accuracy": [outcome[name] for name in ("value", "low", "high")]}


class Inherited:
    """Scores by the accuracy in percent that a child of a trained network has with the weights that
    it inherits, untrained."""

    def __init__(self, inheritance: Inheritance, enough: float) -> None:
        self.inheritance, self.enough = inheritance, enough

    def submit(self, executor: Executor, arch: Architecture) -> Future[Outcome]:
        from nas.pruning.evaluate import inherited_accuracy  # needs torch

        return executor.submit(inherited_accuracy, arch, self.inheritance, self.enough)

    def score(self, outcome: Outcome) -> float:
        return 100 * outcome["inherited_accuracy"]

    def attributes(self, outcome: Outcome) -> dict[str, Any]:
        share, images = outcome["inherited_accuracy"], outcome["images"]
        interval = share_interval(share, images)
        return {"inherited_accuracy": [100 * value for value in (share, *interval)]}


def share_interval(share: float, count: float) -> tuple[float, float]:
    """The 90% interval of a share of so many (Wilson 1927)."""
    z2 = Z90**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z90 * sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


class Combined:
    """Scores by the log ranks of proxies among a reference sample, which `combiner` has seen; there
    is none while that sample itself is evaluated."""

    def __init__(self, proxies: Sequence[str], seed: int, combiner: Combiner | None) -> None:
        self.proxies, self.seed, self.combiner = proxies, seed, combiner

    def submit(self, executor: Executor, arch: Architecture) -> Future[Outcome]:
        from nas.proxies import evaluate  # needs torch

        return executor.submit(evaluate, arch, self.proxies, self.seed)

    def score(self, outcome: Outcome) -> float:
        assert self.combiner is not None
        return self.combiner.score(outcome)

    def attributes(self, outcome: Outcome) -> dict[str, Any]:
        return {"scores": outcome}
