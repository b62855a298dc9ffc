"""`Record`: a finished trial of a search, as it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from nas.architecture import Architecture
from nas.support.errors import NasError


@dataclass(frozen=True)
class Record:
    """One finished trial: a network, its score and its costs.

    With an `accuracy_interval` the score is the predicted accuracy, else it ranks alone. `like` is
    the name of a network that was scaled by hand.
    """

    trial: int
    score: float
    macs: int
    params: int
    peak_bytes: int
    latency_ms: float
    latency_interval_ms: tuple[float, float]
    resolution: int
    scores: dict[str, float]
    architecture: dict[str, Any]
    accuracy_interval: tuple[float, float] | None = None
    like: str | None = None

    @property
    def arch(self) -> Architecture:
        """The network itself."""
        return Architecture.from_dict(self.architecture)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON types."""
        return {
            "trial": self.trial,
            **self._score(),
            "macs": self.macs,
            "params": self.params,
            "peak_bytes": self.peak_bytes,
            "latency_ms": self.latency_ms,
            "latency_interval_ms": list(self.latency_interval_ms),
            "resolution": self.resolution,
            **({"like": self.like} if self.like else {}),
            "architecture": self.architecture,
        }

    def _score(self) -> dict[str, Any]:
        if self.accuracy_interval is None:
            return {"score": self.score}
        interval = list(self.accuracy_interval)
        return {"predicted_accuracy": self.score, "predicted_accuracy_interval": interval}


def record_of(trial: FrozenTrial) -> Record:
    """The record that a completed trial of a study holds.

    Errors: `NasError` where something is missing, as on a trial that another program added.
    """
    attributes = trial.user_attrs
    try:
        low, high = attributes["latency_interval_ms"]
        return Record(
            trial=trial.number,
            score=trial.values[0],
            macs=attributes["macs"],
            params=attributes["params"],
            peak_bytes=attributes["peak_bytes"],
            latency_ms=attributes["latency_ms"],
            latency_interval_ms=(low, high),
            resolution=attributes["architecture"]["resolution"],
            scores={} if "predicted_accuracy" in attributes else attributes["scores"],
            architecture=attributes["architecture"],
            like=attributes.get("like"),
            accuracy_interval=_interval(attributes.get("predicted_accuracy")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NasError(f"trial {trial.number} is damaged: {error!r}") from None


def _interval(predicted: list[float] | None) -> tuple[float, float] | None:
    if predicted is None:
        return None
    _, low, high = predicted
    return low, high
