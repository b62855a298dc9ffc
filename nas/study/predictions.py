"""`Predictions`: what a study's model says of its trials, when it has changed since they ran.

A trial stores the prediction of its time. Where networks were trained since, or a newer prior came,
all trials are predicted anew and the values are stored in the study, beside the trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.accuracy import AccuracyModel
from nas.accuracy.model import FEWEST
from nas.accuracy.prior import PRIOR, checksum
from nas.architecture import Architecture
from nas.study.record import record_of
from nas.study.scoring import predicted
from nas.support.errors import NasError

MEASURED, PREDICTIONS = "nas:measured", "nas:predictions"
DAMAGE = (LookupError, TypeError, ValueError, AttributeError)  # of stored values


class Predictions:
    """The model of a stored study, and its predictions of the trials."""

    def __init__(self, stored: optuna.Study) -> None:
        self._stored = stored

    @cached_property
    def measured(self) -> list[tuple[Architecture, float]]:
        """The trained networks to which predictions are adapted, with accuracies in percent."""
        try:
            stored = self._stored.user_attrs.get(MEASURED, [])
            return [(Architecture.from_dict(arch), float(accuracy)) for arch, accuracy in stored]
        except DAMAGE as error:
            name = self._stored.study_name
            raise NasError(f"study '{name}': what was trained is damaged: {error!r}") from None

    @property
    def adapted(self) -> bool:
        """Whether predictions are of the study's data and recipe, and not of ImageNet."""
        return len(self.measured) >= FEWEST

    @cached_property
    def model(self) -> AccuracyModel:
        """What predicts accuracy: the shipped prior, adapted to what the study has trained."""
        prior = AccuracyModel.load()
        shares = [(arch, accuracy / 100) for arch, accuracy in self.measured]
        return prior.adapt(shares) if self.adapted else prior

    def learn(self, measured: Sequence[tuple[Architecture, float]]) -> None:
        """Stores what predictions are to be adapted to."""
        stored = [[arch.renamed("").to_dict(), accuracy] for arch, accuracy in measured]
        self._stored.set_user_attr(MEASURED, stored)
        self.refresh()

    def refresh(self) -> None:
        """Forgets what another process may have stored anew."""
        for name in ("measured", "model", "_values"):
            self.__dict__.pop(name, None)

    def renew(self, trials: Sequence[FrozenTrial]) -> None:
        """Predicts every trial anew where the model is not that of the stored predictions."""
        stamp = f"{checksum(PRIOR)[:16]}+{len(self.measured)}"
        if self._values.get("model") == stamp:
            return
        scored = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        found = predicted(self.model, (record_of(trial).arch for trial in scored))
        count = max((trial.number for trial in trials), default=-1) + 1
        values: list[list[float] | None] = [None] * count
        for trial, prediction in zip(scored, found, strict=True):
            values[trial.number] = [float(f"{value:.7g}") for value in prediction]
        self._stored.set_user_attr(PREDICTIONS, {"model": stamp, "values": values})
        self.refresh()

    def current(self, trial: FrozenTrial) -> FrozenTrial:
        """The trial as it is predicted now."""
        values = self._values.get("values", ())
        if trial.number >= len(values) or values[trial.number] is None:
            return trial
        new = copy(trial)
        new.values = [values[trial.number][0], *trial.values[1:]]
        new.user_attrs = {**trial.user_attrs, "predicted_accuracy": values[trial.number]}
        return new

    @cached_property
    def _values(self) -> dict[str, Any]:
        stored: dict[str, Any] = self._stored.user_attrs.get(PREDICTIONS, {})
        return stored
