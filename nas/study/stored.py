"""`Stored`: a finished trial as a study's log holds it, whichever storage that is in.

A trial is stored once, under the user attribute `nas:trial`: its costs, its scores and its
assignment, as the index of each option's value in the study's own table of options. The network is
what the assignment decodes to. Older versions stored the architecture in full, a user attribute for
each fact, and Optuna's parameters; such trials are read as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from nas.support.errors import NasError

TRIAL = "nas:trial"
NO_TIME = datetime(1970, 1, 1)  # Optuna wants one, no sampler reads it
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)  # of stored values

Time = datetime | str | None  # local where it does not say; a text is ISO 8601

# The options of a study in the order of its assignments, each with its values.
OptionTable = Sequence[tuple[str, Sequence[Any]]]


class Stored(NamedTuple):
    """A finished trial: `facts` is what nas noted, `notes` what the sampler did; `params` are the
    parameters of a trial that has no assignment among its facts. `times` are when it was begun and
    done, as the storage has them; `utc` reads them."""

    number: int
    state: TrialState
    values: list[float] | None
    facts: Mapping[str, Any]
    notes: Mapping[str, Any]
    params: Mapping[str, Any]
    times: tuple[Time, Time] = (None, None)

    @property
    def complete(self) -> bool:
        """Whether it was scored."""
        return self.state == TrialState.COMPLETE

    def assignment(self, options: OptionTable) -> dict[str, Any]:
        """The value of each option. Errors: `NasError` where that is damaged."""
        indices = self.facts.get("assignment")
        if indices is None:
            return dict(self.params)
        if isinstance(indices, Mapping):  # of a study that an older hw-nas began
            return dict(indices)
        try:
            return {
                name: values[index]
                for (name, values), index in zip(options, indices, strict=True)
                if index is not None
            }
        except DAMAGE as error:
            raise damaged(self.number, error) from None

    def frozen(
        self, options: OptionTable, distributions: dict[str, BaseDistribution]
    ) -> FrozenTrial:
        """The trial as Optuna's samplers see it. Errors: `NasError` where it is damaged."""
        params = self.assignment(options)
        try:
            return FrozenTrial(
                number=self.number,
                trial_id=self.number,
                state=self.state,
                value=None,
                values=self.values,
                datetime_start=NO_TIME,
                datetime_complete=NO_TIME,
                params=params,
                distributions=_shared(params, distributions),
                user_attrs=dict(self.facts),
                system_attrs=dict(self.notes),
                intermediate_values={},
            )
        except DAMAGE as error:
            raise damaged(self.number, error) from None


def stored(
    number: int,
    state: TrialState,
    values: list[float] | None,
    attributes: Mapping[str, Any],
    notes: Mapping[str, Any],
    params: Mapping[str, Any],
    times: tuple[Time, Time] = (None, None),
) -> Stored:
    """A trial of Optuna's parts; its facts are those under `nas:trial`, if they are there."""
    facts = attributes.get(TRIAL, attributes)
    if not isinstance(facts, Mapping):
        raise damaged(number, TypeError(f"{TRIAL} is no mapping"))
    return Stored(number, state, values, facts, notes, params, times)


def utc(when: Time) -> str | None:
    """A time of a storage, ISO 8601 in UTC; None where there is none, or it is damaged."""
    try:
        if isinstance(when, str):
            when = datetime.fromisoformat(when)
        return when.astimezone(UTC).isoformat(timespec="microseconds") if when else None
    except DAMAGE:
        return None


def _shared(
    params: Mapping[str, Any], distributions: dict[str, BaseDistribution]
) -> dict[str, BaseDistribution]:
    """One mapping for all trials of the whole space: it would be most of a study's memory."""
    if params.keys() == distributions.keys():
        return distributions
    return {name: distributions[name] for name in params}


def damaged(number: int, error: Exception) -> NasError:
    """The error for a trial whose facts are missing or wrong."""
    return NasError(f"trial {number} is damaged: {error!r}")


@lru_cache(maxsize=1 << 12)
def distribution(text: str) -> BaseDistribution:
    """Optuna's distribution of its JSON text."""
    return json_to_distribution(text)
