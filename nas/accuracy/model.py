"""`AccuracyModel`: predicts how accurate networks become when trained, with an interval."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import sqrt
from numbers import Real
from typing import NamedTuple

import numpy as np

from nas.accuracy.adaptation import NINE_TENTHS, Adaptation, Index, far_off
from nas.accuracy.doubts import doubts
from nas.accuracy.effects import (
    SHARED,
    assumed_brevity,
    brevity,
    class_counts,
    dead,
    local,
    shared,
    telling,
)
from nas.accuracy.explain import REST, Contribution, Gain, contributions
from nas.accuracy.features import Matrix, Vector
from nas.accuracy.prior import read_prior, sums_of
from nas.accuracy.regression import LEAST_NOISE, Fitted, fit, log_odds, share_of
from nas.accuracy.residual import Process, process
from nas.architecture import Architecture, check_architecture
from nas.imported import network_pairs, networks_of
from nas.support.errors import NasError, NasWarning, check_one_of, check_type, check_whole, shown
from nas.support.html import Html, tag
from nas.support.text import between, significant
from nas.support.threads import one_blas_thread

FEWEST = 3  # networks to adapt to
MOST_CLASSES = 10**9
BRIEFLY = np.array([name.endswith("_brief") for name in SHARED])
BREVITIES = (0.0, 0.35, 0.7, 1.0)  # of trainings of which nothing is known
BREVITY_SPREAD = 0.35  # deviation of these from what is assumed before any network


class Prediction(NamedTuple):
    """An accuracy, and the interval that holds nine of ten trainings."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{significant(self.value)} ({between(self.low, self.high)})"

    def _repr_html_(self) -> Html:
        return tag("span", tag("b", significant(self.value)), f" ({between(self.low, self.high)})")


class Scale(NamedTuple):
    """What makes a task's accuracy of effects: see `StoredScale`."""

    task: str
    classes: int
    center: Vector
    level: float
    spread: float
    slope: float
    noise: float


@dataclass(frozen=True, slots=True)
class AccuracyModel:
    """A prior learned from tables of trained networks, and what a table of one's own adds.

    Without a table of its own (`adapt`) the task is not known. A prediction is then what a top-1 in
    percent would be on the benchmark with about as many classes (`benchmark`: ImageNet, CIFAR-100
    or CIFAR-10) by a recipe like the published ones. Order and differences mean something, the
    value only for that benchmark. After `adapt` predictions are in the task's own accuracy, in
    percent, or as shares where shares were given.
    """

    fitted: Fitted
    processes: tuple[Process, ...]
    scales: tuple[Scale, ...]
    brief: float | None = None
    adaptation: Adaptation | None = None
    unit: float = 100.0
    found_brief: float | None = None

    @classmethod
    def load(cls, exclude: Collection[str] = ()) -> AccuracyModel:
        """The shipped prior without the tables named: "accel_nasbench", "cifar10", "cifar100",
        "nasbench201", "published", "small". The scales that values are on stay. Errors: `NasError`
        for an unknown name."""
        _, tables, _ = read_prior()
        check_type(exclude, "exclude", "names of tables", Collection)
        names = [exclude] if isinstance(exclude, str) else list(exclude)
        for name in names:
            check_one_of("accuracy table", name, tables)
        return _loaded(frozenset(names))

    def predict(self, arch: Architecture) -> Prediction:
        """The prediction for one network. Errors: `ShapeError` where it cannot be built."""
        return self.predict_many([arch])[0]

    def predict_many(self, archs: Iterable[Architecture]) -> list[Prediction]:
        """Predictions in the order of the networks, each the same as alone."""
        networks = list(networks_of(archs, "predict_many"))
        if not networks:
            return []
        odds, deviation = self._odds(sums_of(networks))
        low, high = odds - NINE_TENTHS * deviation, odds + NINE_TENTHS * deviation
        columns = (share_of(values) * self.unit for values in (odds, low, high))
        return [Prediction(*map(float, row)) for row in zip(*columns, strict=True)]

    def adapt(self, measured: Iterable[tuple[Architecture, float]]) -> AccuracyModel:
        """This model with trained networks of one task and recipe: 15 to 100 do, more help.

        Accuracies are in percent, or shares where none is above 1. An adapted model starts anew
        from the prior with the networks given. How short their trainings were is, where it is not
        known (`trained_for`), the likeliest: what is assumed of such images, unless their
        accuracies say otherwise. Of five or more, one that is far from what the others show (a
        broken training, another unit) bends no other's prediction; a `NasWarning` names it, and
        another says how many accuracies are so near 0 or 100% that they are not told apart. Errors:
        `NasError` for fewer than three networks or for an accuracy outside 0 to 100.
        """
        pairs = network_pairs(measured, "adapt")
        if len(pairs) < FEWEST:
            raise NasError(f"adapt: {len(pairs)} networks; at least {FEWEST} are needed")
        for arch, accuracy in pairs:
            number = isinstance(accuracy, Real) and not isinstance(accuracy, bool)
            if not number or not 0 <= float(accuracy) <= 100:
                rule = "must be from 0 to 100 percent, or to 1 as a share"
                named = repr(arch.name) if arch.name else arch.hash[:12]
                raise NasError(f"adapt: accuracy of {named} {rule}, not {shown(accuracy)}")
        # A row that is there twice is one training: nobody's two seeds agree to the last digit.
        pairs = list({(arch.hash, float(value)): (arch, value) for arch, value in pairs}.values())
        values = np.array([float(accuracy) for _, accuracy in pairs])
        unit = 1.0 if values.max() <= 1 else 100.0
        shares = values / unit
        sums = sums_of(arch for arch, _ in pairs)
        positions, same, odds = local(sums), identities(sums), log_odds(shares)
        briefs = BREVITIES if self.brief is None else (self.brief,)
        priors = {brief: self._prior(shared(sums, brief), positions) for brief in briefs}
        far = far_off(odds, priors.values())
        found = {
            brief: Adaptation(before, positions, same, odds, far)
            for brief, before in priors.items()
        }
        assumed = float(assumed_brevity(sums).mean())
        doubt = {b: ((b - assumed) / BREVITY_SPREAD) ** 2 / 2 for b in found}
        brief = max(found, key=lambda brief: found[brief].evidence - doubt[brief])
        for words in doubts([arch for arch, _ in pairs], values, unit, far, priors[brief]):
            warnings.warn(words, NasWarning, stacklevel=2)
        return replace(self, adaptation=found[brief], unit=unit, found_brief=brief)

    def trained_for(self, steps: int | None) -> AccuracyModel:
        """This model for trainings of so many steps of the optimiser, None for any to the end.

        Deep networks and narrow ones need more steps, so that the best network depends on them.
        Before this is called, grey images are taken for those of short trainings, others not. An
        adapted model becomes one that is not. Errors: `NasError` for no positive whole number.
        """
        if steps is not None:
            steps = check_whole(steps, "steps", 1)
        return AccuracyModel(self.fitted, self.processes, self.scales, brevity(steps))

    def continued(self, arch: Architecture, accuracy: float, steps: int, final_steps: int) -> float:
        """The accuracy that is expected after `final_steps` of a network that has reached this one,
        a share, after `steps`. Errors: `NasError` for what is none."""
        check_architecture(arch, "continued")
        if not isinstance(accuracy, Real) or not 0 <= float(accuracy) <= 1:
            raise NasError(f"accuracy must be a share from 0 to 1, not {shown(accuracy)}")
        steps = check_whole(steps, "steps", 1)
        final_steps = check_whole(final_steps, "final_steps", 1)
        sums, effects = sums_of([arch]), self.fitted.effects
        now, then = (shared(sums, brevity(s)) @ effects for s in (steps, final_steps))
        return float(share_of(log_odds(np.array([accuracy])) + then - now)[0])

    def benchmark(self, classes: int) -> str:
        """The benchmark whose accuracy is predicted for networks of so many classes. Errors:
        `NasError` for no whole number of 1 to `MOST_CLASSES`."""
        return self._scale(check_whole(classes, "classes", 1, MOST_CLASSES)).task

    def explain(self, arch: Architecture) -> list[Contribution]:
        """What each part gives to the prior's log odds; with the whole's they add up to it. What
        they give to a prediction is `gains`."""
        sums = sums_of([arch])
        classes = arch.classes if self.adaptation else self._scale(arch.classes).classes
        *parts, whole = contributions(arch, self.fitted.effects, self._brevity, classes)
        extra = sum(float(each.mean(local(sums))[0]) for each in self.processes)
        return [*parts, whole._replace(log_odds=whole.log_odds + extra)]

    def gains(self, arch: Architecture) -> list[Gain]:
        """What each part gives to the prediction, then the rest, which is no part's: the task's
        level, the resolution, and what trained networks showed. Log odds add up to the
        prediction's."""
        (odds,), _ = self._odds(sums_of([arch]))
        slope = self._slope(arch.classes)
        given = [(part, slope * value) for part, value in self.explain(arch)[:-1]]
        shares = share_of(odds - np.array([0.0, *(value for _, value in given)]))
        lost = 100 * (shares[0] - shares[1:])
        rest = float(odds) - sum(value for _, value in given)
        gains = [Gain(*each, float(points)) for each, points in zip(given, lost, strict=True)]
        return [*gains, Gain(REST, rest, None)]

    def _slope(self, classes: int) -> float:
        """How much a prediction's log odds rise with the prior's."""
        return self.adaptation.slope if self.adaptation else self._scale(classes).slope

    def _scale(self, classes: int) -> Scale:
        return self.scales[int(nearest(np.array([float(classes)]), self.scales)[0])]

    @property
    def _brevity(self) -> float | None:
        return self.found_brief if self.adaptation else self.brief

    def _prior(self, features: Matrix, positions: Matrix) -> Vector:
        """What the tables say, in log odds but for a task's level and slope."""
        odds = features @ self.fitted.effects
        for each in self.processes:
            odds = odds + each.mean(positions)
        return odds

    def _odds(self, sums: Matrix) -> tuple[Vector, Vector]:
        """Mean and deviation of the log odds."""
        known, which = self._brevity, nearest(class_counts(sums), self.scales)
        if not self.adaptation:  # of the benchmark, however many classes there are
            sums = telling(sums, np.array([scale.classes for scale in self.scales])[which])
        brief = assumed_brevity(sums) if known is None else np.full(len(sums), known)
        features, positions = shared(sums, brief), local(sums)
        before = self._prior(features, positions)
        if self.adaptation:
            odds, deviation = self.adaptation.predict(before, positions, identities(sums))
        else:
            odds, deviation = self._on_benchmarks(which, before, features, brief)
        constant = dead(sums)
        odds[constant] = log_odds(1 / class_counts(sums)[constant])
        deviation[constant] = sqrt(LEAST_NOISE)
        return odds, deviation

    def _on_benchmarks(
        self, which: Index, before: Vector, features: Matrix, brief: Vector
    ) -> tuple[Vector, Vector]:
        """Mean and deviation of the log odds on the scale of each network."""
        odds, variance = np.zeros(len(before)), np.zeros(len(before))
        for i, scale in enumerate(self.scales):
            mine = which == i
            center = scale.center * np.where(BRIEFLY, brief[mine, None], 1.0)
            # Steps that are known to be few cost something; those assumed are the benchmark's.
            lost = center * (BRIEFLY & (self.brief is not None))
            doubt = self._doubt(features[mine] - center) + self._doubt(lost)
            variance[mine] = scale.slope**2 * doubt + scale.spread**2 + scale.noise
            usual = (center - lost) @ self.fitted.effects
            odds[mine] = scale.level + scale.slope * (before[mine] - usual)
        return odds, np.sqrt(variance)

    def _doubt(self, features: Matrix) -> Vector:
        """The variance of what features give to the log odds."""
        doubt: Vector = ((features @ self.fitted.covariance) * features).sum(axis=1)
        return doubt


@lru_cache(maxsize=32)
def _loaded(without: frozenset[str]) -> AccuracyModel:
    """The prior without these tables. Models do not change, so that one serves all."""
    stored, tables, residuals = read_prior()
    kept = {name: table for name, table in tables.items() if name not in without}
    with one_blas_thread():
        fitted = fit(kept)
        processes = tuple(
            process(sums, kept[name], fitted.effects, fitted.slopes[name])
            for name, sums in residuals.items()
            if name in kept
        )
    scales = tuple(
        Scale(**{**scale.model_dump(), "center": np.array(scale.center)}) for scale in stored.scales
    )
    return AccuracyModel(fitted, processes, scales)


def identities(sums: Matrix) -> Index:
    """A number for each network, the same for those that features cannot tell apart."""
    return np.array([hash(tuple(row)) for row in sums.tolist()], np.intp)


def nearest(classes: Vector, scales: Sequence[Scale]) -> Index:
    """The index of the scale whose number of classes is nearest, for each of `classes`."""
    apart = np.log(np.maximum(classes, 1))[:, None] - np.log([scale.classes for scale in scales])
    closest: Index = np.abs(apart).argmin(axis=1)
    return closest
