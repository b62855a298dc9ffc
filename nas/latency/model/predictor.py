"""The learned predictor of a measured target: a price of work times a correction per kernel.

    network ms = constant + sum over kernels of price of its work * correction(kernel)

It is positive and additive, and plain numbers. `nas.latency.model.fitting` fits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from nas.latency.lowering.kernels import Kernel
from nas.latency.model.basis import KINDS, Additive, Vector
from nas.latency.model.columns import Columns
from nas.latency.model.corrections import WAVES, WIDTH, Corrections
from nas.latency.model.doubt import SIZE, Doubt
from nas.latency.model.doubt import WAVES as DOUBT_WAVES
from nas.latency.model.error import NARROWEST
from nas.latency.model.traces import Trace
from nas.support.validation import Settings, validated

DIGITS = 6  # of a number in a file
WIDEST = log(4.0)  # of the log of a latency: wider ones say no more than that nothing is known

Price = Annotated[float, Field(gt=0, lt=1e9, allow_inf_nan=False)]
Number = Annotated[float, Field(gt=-1e6, lt=1e6, allow_inf_nan=False)]


class Predictor(NamedTuple):
    """Predicts kernels: what the `base` says of their work, corrected. Without `doubt`, as those
    were that earlier versions fitted, all its intervals are equally wide."""

    constant_ms: float
    base: Additive
    corrections: Corrections
    doubt: Doubt | None = None

    def kernels_ms(self, kernels: Sequence[Kernel]) -> list[float]:
        """The latency of each kernel in ms, rounded so that it does not depend, in its last digit,
        on the other kernels."""
        ms: list[float] = self.trace(kernels)[0].tolist()
        return ms

    def trace(self, kernels: Sequence[Kernel]) -> Trace:
        """The latency of each kernel in ms, and its waves."""
        known = Columns.of(kernels)
        factors, waves = self.corrections.corrected(known, DOUBT_WAVES if self.doubt else 0)
        return np.array(_short(self.base.kernels_ms(known) * factors)), waves

    def log_interval(self, trace: Trace, usual: float) -> float:
        """How far the log latency of the network of these kernels may be off, nine times out of
        ten; `usual` is that of a typical network."""
        if self.doubt is None:
            return usual
        return min(max(usual * self.doubtful(trace), NARROWEST), WIDEST)

    def doubtful(self, trace: Trace) -> float:
        """How much the table leaves open of the network of these kernels: 1 of a typical one."""
        assert self.doubt is not None
        ms, waves = trace
        return self.doubt.relative(ms @ waves / (self.constant_ms + ms.sum()))

    def facts(self) -> dict[str, Any]:
        """Its numbers, as plain data."""
        operations, linear, weights = self.corrections
        doubt = {} if self.doubt is None else {"doubt": self.doubt.facts()}
        return {
            "constant_ms": float(f"{self.constant_ms:.{DIGITS}g}"),
            "base": dict(self.base.weights),
            "operations": list(operations),
            "linear": [_short(row) for row in linear],
            "weights": _short(weights),
            **doubt,
        }

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Predictor:
        """What `facts` says. Errors: `KeyError`, `TypeError` or `ValueError`."""
        linear, weights = (np.array(facts[key], np.float64) for key in ("linear", "weights"))
        corrections = Corrections(tuple(facts["operations"]), linear, weights)
        doubt = facts.get("doubt")
        base, known = Additive(facts["base"]), doubt and Doubt.of_facts(doubt)
        return cls(float(facts["constant_ms"]), base, corrections, known)


class _Doubt(Settings):
    """What `Doubt.facts` gives."""

    model_config = ConfigDict(strict=True)

    usual: Price
    lower: Annotated[list[Number], Field(min_length=SIZE, max_length=SIZE)]


class _Facts(Settings):
    """What `Predictor.facts` gives, as it is read from a file."""

    model_config = ConfigDict(strict=True)

    constant_ms: Annotated[float, Field(ge=0, lt=1e9, allow_inf_nan=False)]
    base: dict[str, Price]
    operations: list[str]
    linear: list[Annotated[list[Number], Field(min_length=WIDTH, max_length=WIDTH)]]
    weights: Annotated[list[Number], Field(min_length=WAVES, max_length=WAVES)]
    doubt: _Doubt | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if not set(self.base) <= set(KINDS):
            raise ValueError("base: has kinds of work that are not known")
        if len(set(self.operations)) != len(self.operations):
            raise ValueError("operations: must be different ones")
        if len(self.linear) != len(self.operations):
            raise ValueError("linear: must have a row for each operation")
        return self


def read_facts(data: Any, source: str) -> Predictor:
    """The predictor of what `Predictor.facts` gave. Errors: `NasError` with the rule it breaks."""
    return Predictor.of_facts(validated(_Facts, data, source).model_dump())


def _short(values: Vector) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]
