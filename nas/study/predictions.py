"""`Predictions`: what a study's model says of its trials, when it has changed since they ran.

A trial stores the prediction of its time. Where networks were trained since, or a newer prior came,
all trials are predicted anew and the values are stored in the study, beside the trials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from nas.accuracy import AccuracyModel
from nas.accuracy.model import FEWEST
from nas.accuracy.prior import PRIOR, checksum
from nas.architecture import Architecture
from nas.study.scoring import predicted
from nas.study.storage.log import Log
from nas.study.stored import DAMAGE, Stored
from nas.support.errors import NasError

MEASURED, PREDICTIONS = "nas:measured", "nas:predictions"
CHUNK = 1000  # networks that are in memory at a time


class Predictions:
    """The model of a stored study, and its predictions of the trials. `steps` is how long networks
    are trained, where the study knows it."""

    def __init__(self, log: Log, name: str, steps: int | None) -> None:
        self._log, self._name, self._steps = log, name, steps

    @cached_property
    def measured(self) -> list[tuple[Architecture, float]]:
        """The trained networks to which predictions are adapted, with accuracies in percent."""
        stored = self._log.attributes().get(MEASURED, [])
        try:
            return [(Architecture.from_dict(arch), float(accuracy)) for arch, accuracy in stored]
        except NasError as error:  # such as a block that no plugin has registered
            raise NasError(f"study '{self._name}': of what was trained: {error}") from None
        except DAMAGE as error:
            raise NasError(
                f"study '{self._name}': what was trained is damaged: {error!r}"
            ) from None

    @property
    def adapted(self) -> bool:
        """Whether predictions are of the study's data and recipe, and not of ImageNet."""
        return len(self.measured) >= FEWEST

    @cached_property
    def model(self) -> AccuracyModel:
        """What predicts accuracy: the shipped prior, adapted to what the study has trained."""
        prior = AccuracyModel.load()
        prior = prior.trained_for(self._steps) if self._steps else prior
        shares = [(arch, accuracy / 100) for arch, accuracy in self.measured]
        return prior.adapt(shares) if self.adapted else prior

    def learn(self, measured: Sequence[tuple[Architecture, float]]) -> None:
        """Stores what predictions are to be adapted to."""
        stored = [[arch.renamed("").to_dict(), accuracy] for arch, accuracy in measured]
        self._log.set_attribute(MEASURED, stored)
        self.refresh()

    def refresh(self) -> None:
        """Forgets what another process may have stored anew."""
        for name in ("measured", "model", "_values", "_current"):
            self.__dict__.pop(name, None)

    def renew(self, trials: Iterable[Stored], decode: Callable[[Stored], Architecture]) -> None:
        """Predicts every trial anew, by the network that `decode` gives, where the model is not
        that of the stored predictions."""
        stamp = f"{checksum(PRIOR)[:16]}+{len(self.measured)}"
        if self._values.get("model") == stamp:
            return
        scored = (trial for trial in trials if trial.complete)
        values: list[list[float] | None] = []
        while some := list(islice(scored, CHUNK)):
            predictions = predicted(self.model, map(decode, some))
            for trial, prediction in zip(some, predictions, strict=True):
                values += [None] * (trial.number - len(values))
                values.append([float(f"{value:.7g}") for value in prediction])
        self._log.set_attribute(PREDICTIONS, {"model": stamp, "values": values})
        self.refresh()

    def current(self, trial: Stored) -> Stored:
        """The trial as it is predicted now."""
        values = self._current
        if trial.number >= len(values) or (now := values[trial.number]) is None:
            return trial
        facts = {**trial.facts, "predicted_accuracy": now}
        return trial._replace(values=[now[0], *(trial.values or [])[1:]], facts=facts)

    @cached_property
    def _current(self) -> list[list[float] | None]:
        values: list[list[float] | None] = self._values.get("values", [])
        return values

    @cached_property
    def _values(self) -> dict[str, Any]:
        stored: dict[str, Any] = self._log.attributes().get(PREDICTIONS, {})
        return stored
