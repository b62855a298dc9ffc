"""What few trainings tell: how a search of the table ends, and what a model learns from them.

from ground_truth_search import regrets, regressions
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from rank_statistics import Vector, spearman
from scipy.stats import norm, rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import RidgeCV

Indices = np.ndarray[Any, np.dtype[np.integer[Any]]]

TRAININGS = (1, 5, 10, 20)
RESAMPLES = 100
REGRESSED = (20, 40)
FIRST = 5  # trainings before the model of `bayesian` is worth fitting


def regrets(
    accuracy: Vector, scores: Mapping[str, Vector], features: Mapping[str, Vector]
) -> dict[str, list[tuple[float, float, float]]]:
    """By method the best accuracy's lead over what is found after 1, 5, … trainings.

    Each with its 95% interval: every method is tried on `RESAMPLES` random halves of the networks.
    Methods: random, the networks in the order of a score, and a Gaussian process on the ranks of
    `features` that begins with the best of the first of `scores`, or with random ones.
    """
    methods: dict[str, Callable[[Indices, np.random.Generator], list[int]]] = {
        "random": lambda half, rng: list(rng.permutation(half))
    }
    for name, values in scores.items():
        methods[name] = partial(best_first, values)
    table = np.column_stack([rankdata(v) / len(v) for v in features.values()])
    first = next(iter(scores.values()))
    for name, start in ((f"model, begun by {next(iter(scores))}", first), ("model", None)):
        methods[name] = partial(bayesian, table, accuracy, start)
    found: dict[str, list[tuple[float, float, float]]] = {}
    for name, method in methods.items():
        rng = np.random.default_rng(0)
        lost = []
        for _ in range(RESAMPLES):
            half = rng.choice(len(accuracy), len(accuracy) // 2, replace=False)
            order = method(half, rng)
            best = accuracy[half].max()
            lost.append([best - accuracy[order[:k]].max() for k in TRAININGS])
        spread = np.percentile(lost, [2.5, 97.5], axis=0)
        found[name] = list(zip(np.mean(lost, axis=0), *spread, strict=True))
    return found


def best_first(values: Vector, half: Indices, _: np.random.Generator) -> list[int]:
    """The networks of `half` in the order of their values, the largest first."""
    return list(half[np.argsort(-values[half], kind="stable")])


def bayesian(
    features: Vector,
    accuracy: Vector,
    start: Vector | None,
    half: Indices,
    rng: np.random.Generator,
) -> list[int]:
    """The networks in the order in which a Gaussian process with expected improvement trains them.

    The first ones are those of the best `start`, or random ones.
    """
    left = list(rng.permutation(half) if start is None else half[np.argsort(-start[half])])
    chosen, left = left[:FIRST], left[FIRST:]
    while left and len(chosen) < max(TRAININGS):
        known = accuracy[chosen]
        kernel = RBF(0.5, (0.1, 10)) + WhiteKernel(0.1, (1e-3, 1))
        model = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features[chosen], known)
        mean, deviation = model.predict(features[left], return_std=True)
        z = (mean - known.max()) / np.maximum(deviation, 1e-12)
        gain = deviation * (z * norm.cdf(z) + norm.pdf(z))
        chosen.append(left.pop(int(np.argmax(gain))))
    return chosen


def regressions(accuracy: Vector, measures: Mapping[str, Vector]) -> dict[str, dict[int, float]]:
    """By method and number of trained networks, Spearman with the accuracy of all others.

    Methods: ridge regression on the ranks of `measures`, the measure that is best on the trained
    ones, and the last of `measures`, alone.
    """
    table = np.column_stack([rankdata(v) / len(v) for v in measures.values()])
    *_, last = measures
    found: dict[str, dict[int, float]] = {"regression": {}, "best single measure": {}, last: {}}
    for count in REGRESSED:
        rng = np.random.default_rng(0)
        values: dict[str, list[float]] = {method: [] for method in found}
        for _ in range(RESAMPLES):
            order = rng.permutation(len(accuracy))
            known, others = order[:count], order[count:]
            model = RidgeCV(np.logspace(-2, 3, 11)).fit(table[known], accuracy[known])
            best = max(
                range(table.shape[1]), key=lambda i: spearman(table[known, i], accuracy[known])
            )
            guesses = (model.predict(table[others]), table[others, best], table[others, -1])
            for method, guess in zip(found, guesses, strict=True):
                values[method].append(spearman(guess, accuracy[others]))
        for method, each in values.items():
            found[method][count] = float(np.mean(each))
    return found
