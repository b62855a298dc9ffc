"""`Record`: a scored trial of a search, as it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import nan
from typing import Any

from nas.architecture import Architecture
from nas.measures import OF_TARGET, Measure
from nas.resolution import Resolution, read_resolution
from nas.study.stored import DAMAGE, Stored, damaged

Decode = Callable[[Stored], Architecture]


@dataclass(frozen=True, slots=True)
class Record:
    """One scored trial: a network, its score and its costs.

    With an `accuracy_interval` the score is an accuracy, predicted or `inherited`, else it ranks
    alone. `like` is the name of a network that was scaled by hand. SRAM and flash are known on some
    targets.
    """

    trial: int
    score: float
    macs: int
    params: int
    peak_bytes: int
    latency_ms: float
    latency_interval_ms: tuple[float, float]
    resolution: Resolution
    scores: dict[str, float]
    network: Callable[[], Architecture] = field(compare=False, repr=False)
    hash: str = ""
    seconds: float = nan
    accuracy_interval: tuple[float, float] | None = None
    like: str | None = None
    inherited: bool = False
    sram_bytes: float | None = None
    flash_bytes: float | None = None

    @property
    def score_name(self) -> str:
        """What the score is."""
        if self.accuracy_interval is None:
            return "score"
        return "inherited accuracy" if self.inherited else "predicted accuracy"

    @property
    def memory(self) -> dict[Measure, float]:
        """What it takes of the target's SRAM and flash, where that is known."""
        known = {measure: getattr(self, measure) for measure in OF_TARGET}
        return {measure: value for measure, value in known.items() if value is not None}

    def __post_init__(self) -> None:
        """Errors: `TypeError` or `NasError` where what is shown as a number is none: it may be a
        stranger's."""
        numbers = (self.score, self.macs, self.params, self.peak_bytes)
        numbers += (self.latency_ms, *self.latency_interval_ms, *(self.accuracy_interval or ()))
        if not all(isinstance(value, int | float) for value in (*numbers, *self.memory.values())):
            raise TypeError("a cost or a score is no number")
        if read_resolution(self.resolution) != self.resolution:
            raise TypeError("a resolution is none")
        if not isinstance(self.like, str | None):
            raise TypeError("a name is no text")

    @property
    def arch(self) -> Architecture:
        """The network itself. Errors: `NasError` where it is damaged."""
        return self.network()

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
            **{str(key): value for key, value in self.memory.items()},
            **({"like": self.like} if self.like else {}),
            "architecture": self.arch.to_dict(),
        }

    def _score(self) -> dict[str, Any]:
        if self.accuracy_interval is None:
            return {"score": self.score}
        name = self.score_name.replace(" ", "_")
        return {name: self.score, f"{name}_interval": list(self.accuracy_interval)}


def record_of(trial: Stored, decode: Decode) -> Record:
    """The record of a completed trial, whose network `decode` gives.

    Errors: `NasError` where something is missing, as on a trial that another program added.
    """
    facts = trial.facts
    accuracy = facts.get("predicted_accuracy", facts.get("inherited_accuracy"))
    try:
        low, high = facts["latency_interval_ms"]
        if "resolution" in facts:
            resolution = facts["resolution"]
        else:  # of an older hw-nas
            resolution = facts["architecture"]["resolution"]
        return Record(
            trial=trial.number,
            score=(trial.values or [])[0],
            macs=facts["macs"],
            params=facts["params"],
            peak_bytes=facts["peak_bytes"],
            latency_ms=facts["latency_ms"],
            latency_interval_ms=(low, high),
            resolution=resolution,
            scores=facts["scores"] if accuracy is None else {},
            network=partial(decode, trial),
            hash=facts["hash"],
            seconds=facts.get("seconds", nan),
            accuracy_interval=_interval(accuracy),
            like=facts.get("like"),
            inherited="inherited_accuracy" in facts,
            **{key: facts.get(key) for key in OF_TARGET},
        )
    except DAMAGE as error:
        raise damaged(trial.number, error) from None


def _interval(accuracy: Sequence[float] | None) -> tuple[float, float] | None:
    if accuracy is None:
        return None
    _, low, high = accuracy
    return low, high
