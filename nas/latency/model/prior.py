"""What is known of a device before anything of it is: the distribution of devices' prices.

    (log prices, strengths of the directions) ~ normal(mean, covariance), and the device's level
    corrections = directions . strengths + own, own ~ normal(0, scale of the group ^ 2)

The log prices of a device are a level of their own, of which nothing is known, plus what devices
have in common. `scripts/fit_latency_prior.py` learns it from published latencies of many devices
and writes `prior.json` beside the shipped targets.
"""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from nas.latency.model.basis import GROUPS, KINDS, Vector
from nas.support.resources import shipped

FILE = "prior.json"


class Prior(NamedTuple):
    """`mean` and `covariance` of the log prices of `KINDS`, then of the strengths of the
    `directions`: by the name of a correction, its part in each. `log_scales` are of the corrections
    of each of `GROUPS`, then of the noise. `stamp` says which prior it is, `spread` what
    its covariance has been multiplied by."""

    mean: Vector
    covariance: Vector
    directions: dict[str, Vector]
    log_scales: Vector
    stamp: str = ""
    spread: float = 1.0

    def narrowed(self, spread: float) -> Prior:
        """The same with a covariance of `spread` times this one's."""
        return self._replace(covariance=self.covariance * spread, spread=self.spread * spread)

    @property
    def strengths(self) -> int:
        """The number of directions."""
        return len(self.mean) - len(KINDS)

    def direction(self, names: tuple[str, ...]) -> Vector:
        """The part of each correction in each direction: 0 of those never seen."""
        nothing = np.zeros(self.strengths)
        rows = np.array([self.directions.get(name, nothing) for name in names])
        return rows.reshape(len(names), self.strengths)

    def to_json(self) -> str:
        """The text of the file."""
        lower = [_short(row[: i + 1]) for i, row in enumerate(self.covariance)]
        facts: dict[str, Any] = {
            "kinds": KINDS,
            "groups": GROUPS,
            "mean": _short(self.mean),
            "covariance": lower,
            "log_scales": _short(self.log_scales),
            "directions": {name: _short(self.directions[name]) for name in sorted(self.directions)},
        }
        return json.dumps(facts, indent=0)

    @classmethod
    def from_json(cls, text: str) -> Prior:
        """Reads what `to_json` wrote. Errors: `ValueError` for one of other kinds of work."""
        facts = json.loads(text)
        if (facts["kinds"], facts["groups"]) != (list(KINDS), list(GROUPS)):
            raise ValueError("the prior is of other kinds of work: fit it anew")
        size = len(facts["mean"])
        lower = np.zeros((size, size))
        for i, row in enumerate(facts["covariance"]):
            lower[i, : i + 1] = row
        covariance = lower + np.tril(lower, -1).T
        return cls(
            np.array(facts["mean"]),
            covariance,
            {name: np.array(row) for name, row in facts["directions"].items()},
            np.array(facts["log_scales"]),
            sha256(text.encode()).hexdigest()[:16],
        )


@lru_cache(maxsize=1)
def shipped_prior() -> Prior:
    """The prior that is shipped."""
    return Prior.from_json((shipped("latency_tables") / FILE).read_text(encoding="utf-8"))


def _short(values: Any) -> list[float]:
    return [float(f"{value:.5g}") for value in values]
