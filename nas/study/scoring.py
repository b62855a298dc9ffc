"""What a search raises: the predicted accuracy, or a combined score of the proxies it was given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from typing import Any, Protocol

from nas.accuracy import AccuracyModel, Prediction
from nas.architecture import Architecture
from nas.proxies.combine import Combiner
from nas.support.errors import NasError

Outcome = dict[str, float]


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
