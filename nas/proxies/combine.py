"""One score from several proxies, absolute and comparable across trials and resumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum
from statistics import fmean, pstdev

Scores = Mapping[str, float]


class Combiner:
    """The mean over proxies of how many standard deviations a score lies above a reference sample.

    The sample is drawn once from the feasible part of the space and kept in the study, so 0 is an
    average random network and the unit is the spread of random networks.
    """

    def __init__(self) -> None:
        self.moments_: dict[str, tuple[float, float]] = {}

    def fit(self, reference: Sequence[Scores]) -> Combiner:
        """Learns mean and spread of each proxy from the scores of a reference sample."""
        for name in reference[0]:
            values = [scores[name] for scores in reference]
            self.moments_[name] = fmean(values), pstdev(values) or 1.0
        return self

    def score(self, scores: Scores) -> float:
        """The combined score; higher is better."""
        terms = [(scores[name] - mean) / std for name, (mean, std) in self.moments_.items()]
        return fsum(terms) / len(terms)
