"""`Combiner`: one score from several proxies, comparable between all trials of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan, log, nan
from typing import NamedTuple

import numpy as np

from nas.defaults import DEFAULT_PROXIES
from nas.support.errors import NasError

Scores = Mapping[str, float]
TINY = float(np.finfo(float).tiny)  # 0 has no log


class Sample(NamedTuple):
    """The distinct values of a reference sample in ascending order, the rank of each, and the
    sample's size."""

    values: np.ndarray
    ranks: np.ndarray
    size: int

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> Sample:
        """The sample of `values`: the i-th of n has rank (i + 1/2) / n; equal values share the mean
        of their ranks."""
        distinct, counts = np.unique(np.asarray(values, float), return_counts=True)
        return cls(distinct, (np.cumsum(counts) - counts / 2) / len(values), len(values))

    def rank(self, value: float) -> float:
        """The share of the sample that is below `value`, in (0, 1), strictly increasing.

        Beyond the sample's ends the rank's distance from 0 or 1 falls as 1 / (1 + d), where d is
        the distance from the end in ranges of the sample. NaN for NaN.
        """
        if isnan(value):
            return nan
        n, low, high = self.size, float(self.values[0]), float(self.values[-1])
        spread = (high - low) or max(abs(low), 1.0)
        if value < low:
            return max(0.5 / n / (1 + (low - value) / spread), TINY)
        if value > high:
            return 1 - 0.5 / n / (1 + (value - high) / spread)
        return float(np.interp(value, self.values, self.ranks))


class _Fit:
    """A method that is called in two ways: `Combiner.fit(...)` makes and fits a combiner,
    `combiner.fit(...)` fits the one at hand."""

    def __get__(
        self, combiner: Combiner | None, owner: type[Combiner]
    ) -> Callable[[Sequence[Scores]], Combiner]:
        return (owner() if combiner is None else combiner)._fit


class Combiner:
    """The sum over proxies of the log of a score's rank among a reference sample.

    The sample is drawn once from the feasible part of the space and kept in the study, so a score
    depends on nothing but the network. A rank is the share of the sample that is worse; between two
    values of the sample it is interpolated. Beyond the sample the rank goes on, ever more slowly,
    to 0 below and to 1 above, so the better of two networks always has the better rank. But log
    rank ends at 0: a proxy that a search has driven far beyond every random network cannot make up
    for a poor one.
    """

    fit = _Fit()

    def __init__(self, names: Sequence[str] | None = None) -> None:
        self.names = names
        self.samples_: dict[str, Sample] = {}

    @classmethod
    def default(cls) -> Combiner:
        """The combiner of the default proxies, which `nas search` uses; not fitted."""
        return cls(DEFAULT_PROXIES)

    def _fit(self, reference: Sequence[Scores]) -> Combiner:
        """Fits the combiner to the scores of a reference sample and returns it; NaN is left out.

        Errors: `NasError` where a proxy is NaN in the whole sample.
        """
        if not reference:
            raise NasError("a combiner needs the scores of at least one network")
        for name in self.names or reference[0]:
            values = np.array([s.get(name, nan) for s in reference], float)
            values = values[~np.isnan(values)]
            if not len(values):
                raise NasError(f"proxy '{name}' is undefined for the whole reference sample")
            self.samples_[name] = Sample.of(values)
        return self

    def score(self, scores: Scores) -> float:
        """The combined score, below 0; higher is better. NaN where one of the scores is NaN."""
        if not self.samples_:
            raise NasError("the combiner has no reference sample: call fit first")
        return sum(log(sample.rank(scores[name])) for name, sample in self.samples_.items())
