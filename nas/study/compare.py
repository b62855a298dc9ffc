"""Comparing searches: best score and hypervolume against trials and seconds, and rank tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack
from zlib import crc32

import numpy as np

from nas.defaults import DEFAULT_SAMPLER, DEFAULT_SPACE
from nas.proxies.combine import Combiner
from nas.space import SearchSpace
from nas.study.hypervolume import hypervolumes
from nas.study.objectives import values_losses
from nas.study.storage.storage import Storage
from nas.study.study import Study
from nas.support.errors import NasError

if TYPE_CHECKING:
    from nas.study.new import Options

ALIKE = ("space", "target", "target_checksum", "budgets", "proxies", "objectives")
MEASURES = ("best", "hypervolume")


@dataclass(frozen=True)
class Curve:
    """One study after each of its trials: the best score so far (NaN before there is one), the
    hypervolume so far, and the seconds its drivers have worked."""

    sampler: str
    seed: int
    best: np.ndarray
    hypervolume: np.ndarray
    seconds: np.ndarray


class Interval(NamedTuple):
    """The median over seeds, with the tenth and the ninetieth percentile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> Interval:
        """The percentiles of values; between two of them they are linear."""
        low, median, high = np.quantile(np.asarray(values, float), (0.1, 0.5, 0.9)).tolist()
        return cls(median, low, high)


class RankTest(NamedTuple):
    """A two-sided test of whether two samplers' values differ, seed by seed where they can be."""

    name: str
    p: float


def study_of(
    target: str, budgets: Sequence[str], space: str = DEFAULT_SPACE, **options: Unpack[Options]
) -> Study:
    """The study of a comparison, made where it is not there yet; see `nas.study.begin`.

    Its name is made of all that is given, so that whatever was begun is gone on with. Errors:
    `NasError` where a study of that name was begun with another space.
    """
    from nas.study.new import begin  # needs torch

    storage = Storage(options.get("storage"))
    cascade, seed = options.get("cascade"), options.get("seed", 0)
    of = [*(options.get("objectives") or ()), *(options.get("proxies") or ())]
    of += [options.get("sampler", DEFAULT_SAMPLER), *([f"cascade{cascade}"] if cascade else [])]
    words = "-".join([Path(space).stem, Path(target).stem, *budgets, *of, str(seed)])
    name = re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip(".-")
    if len(name) > 100:
        name = f"{name[:91]}-{crc32(name.encode()):08x}"
    if name in storage.names():
        study = Study.load(name, options.get("storage"))
        if study.space.to_dict() != SearchSpace.load(space).to_dict():
            raise NasError(f"study '{name}' in {storage} was begun with another space")
        return study
    options["name"] = name
    return begin(target, budgets, space, **options)


def curves(studies: Sequence[Study]) -> list[Curve]:
    """The curves of studies, on one scale.

    A combined score is relative to a reference sample, which depends on the seed; so all are
    computed again, from the stored proxies, relative to the samples of all studies together.
    Predicted accuracies are compared as they are. The hypervolume's reference point is the worst
    that is in these samples, objective by objective.
    Errors: `NasError` for studies that differ in more than sampler, seed, cascade and warm start,
    or that have no trial yet.
    """
    samples: dict[str, Study] = {}
    for study in studies:
        _check(study, studies[0])
        samples.setdefault(repr([t.params for t in study.reference_trials]), study)
    proxies = studies[0].settings.proxies
    reference = [scores for study in samples.values() for scores in study.sample.scores]
    combiner = Combiner(proxies).fit(reference) if proxies else None
    points = np.vstack(
        [
            _losses(s, [t.values for t in s.reference_trials], s.sample.scores, combiner)
            for s in samples.values()
        ]
    )
    return [_curve(study, combiner, points.max(axis=0)) for study in studies]


def _check(study: Study, first: Study) -> None:
    for name in ALIKE:
        mine, other = (getattr(s.settings, name) for s in (study, first))
        if mine != other:
            texts = "" if name == "space" else f": {_text(mine)} and {_text(other)}"
            raise NasError(
                f"studies '{study.name}' and '{first.name}' cannot be compared, for they differ in "
                f"{name.replace('_', ' ')}{texts}"
            )
    if study.predictions.measured != first.predictions.measured:
        raise NasError(
            f"studies '{study.name}' and '{first.name}' cannot be compared, for their predictions "
            "are adapted to other trained networks"
        )
    if not study.tally().trials:
        raise NasError(f"study '{study.name}' has no finished trial yet")
    if not study.reference_trials:
        raise NasError(
            f"study '{study.name}' keeps no random networks, to which a hypervolume is relative: "
            "one that prunes has none, nor has one of an older hw-nas"
        )


def _text(value: object) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)


def _losses(
    study: Study,
    values: Sequence[Sequence[float]],
    scores: Sequence[dict[str, float]],
    combiner: Combiner | None,
) -> np.ndarray:
    """(trials, objectives) of the values, but with the scores that a combiner gives."""
    losses = values_losses(values, study.directions)
    if combiner:
        losses[:, 0] = [-combiner.score(each) for each in scores]
    return losses


def _curve(study: Study, combiner: Combiner | None, reference: np.ndarray) -> Curve:
    scored, seconds = [], []
    values: list[list[float]] = []
    scores: list[dict[str, float]] = []
    for i, trial in enumerate(study.stored()):
        seconds.append(trial.facts.get("seconds", np.nan))
        if trial.complete:
            scored.append(i)
            values.append(trial.values or [])
            scores.append(trial.facts.get("scores", {}))
    points = np.full((len(seconds), len(study.directions)), np.nan)
    points[scored] = _losses(study, values, scores, combiner)
    settings = study.settings
    cascade = f", cascade {settings.cascade}" if settings.cascade > 1 else ""
    warm = ", warm start" if settings.start_from else ""
    return Curve(
        sampler=f"{settings.sampler}{cascade}{warm}",
        seed=settings.seed,
        best=np.fmax.accumulate(-points[:, 0]),
        hypervolume=hypervolumes(points, reference),
        seconds=np.cumsum(seconds),
    )


def by_sampler(all_curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """The curves of each sampler by seed, samplers in the order in which they appear."""
    order = list(dict.fromkeys(curve.sampler for curve in all_curves))
    sort = sorted(all_curves, key=lambda c: (order.index(c.sampler), c.seed))
    return {name: list(group) for name, group in groupby(sort, key=lambda c: c.sampler)}


def at_trial(group: Sequence[Curve], measure: str, trial: int) -> np.ndarray:
    """The measure of each curve after so many trials."""
    return np.array([getattr(curve, measure)[trial - 1] for curve in group])


def trials_to_reach(group: Sequence[Curve], goals: dict[int, float]) -> list[float]:
    """The number of trials that each curve takes to its seed's goal of hypervolume; infinite where
    it does not get there."""
    trials = []
    for curve in group:
        there = np.flatnonzero(curve.hypervolume >= goals[curve.seed])
        trials.append(float(there[0] + 1) if len(there) else float("inf"))
    return trials


def rank_test(
    a: Sequence[Curve], b: Sequence[Curve], measure: str, trial: int, of_b: int | None = None
) -> RankTest:
    """A test of whether the measure differs after so many trials, or `of_b` of the second:
    Wilcoxon's signed-rank test where the seeds are the same, else that of Mann and Whitney. p is 1
    where nothing can be said."""
    from scipy import stats

    x, y = at_trial(a, measure, trial), at_trial(b, measure, of_b or trial)
    paired = [c.seed for c in a] == [c.seed for c in b]
    name = "Wilcoxon" if paired else "Mann–Whitney"
    if min(len(x), len(y)) < 2 or (paired and (x == y).all()):
        return RankTest(name, 1.0)
    result: Any = stats.wilcoxon(x, y) if paired else stats.mannwhitneyu(x, y)
    return RankTest(name, float(result.pvalue))
