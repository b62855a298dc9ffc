"""From whole-network latencies to prices and corrections: Bayesian, with what it is unsure of.

    log latency = log of the sum of (price * correction * work) + noise

The prior is that of devices, see `nas.latency.model.prior`. Its most likely prices and corrections
are found by Gauss-Newton steps; how far corrections of each group go and how noisy the latencies
are is chosen by the evidence, the probability that it gave to the latencies, so that a few networks
move little but prices, and fifty as much as they tell. A latency that is far off counts less. The
uncertainty is that of the linearised model around the result; the level of the device is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nas.latency.lowering.kernels import Kernel
from nas.latency.model.basis import GROUPS, KINDS, Vector
from nas.latency.model.design import Design, State
from nas.latency.model.prior import Prior

LEVEL = 25.0  # variance of the log of a device's level: so large that it is free
SPREAD = 1.0  # standard deviation of the log of a scale around the prior's
SCALES = (1e-4, 3.0)  # of corrections; as standard deviations
NOISES = (2e-3, 1.0)
FIRST_NOISE = 0.05  # before anything is known of it
ROUNDS = 4  # of choosing the scales
STEPS = 60  # of Gauss-Newton, at most
FARTHEST = 2.0  # that a log price moves in one of them
OUTLIER = 3.0  # robust standard deviations beyond which a latency counts less
SLIGHT = 0.3  # of the noise: corrections that do less, all together, are dropped
MOST = 200  # networks that are fitted; of more, so many are taken evenly


class Posterior(NamedTuple):
    """`log_prices` of `KINDS`, `strengths` of the prior's directions, `own` corrections by `names`;
    `log_scales` of the groups of corrections and of the noise, `evidence`.

    The uncertainty: `reduction` is what the latencies took from the prior's variance, a row for
    each of their independent statements, of prices, strengths and corrections; `level` what they
    say of the level, as the last row in `level_row`, worth `level_precision`. `shares` is the
    largest share of each kind of work in a latency, `slight` names the corrections that the
    networks have as well, but that do too little to be kept.
    """

    log_prices: Vector
    strengths: Vector
    names: tuple[str, ...]
    own: Vector
    log_scales: Vector
    evidence: float
    reduction: Vector
    level_row: Vector
    level_precision: float
    shares: Vector
    slight: tuple[str, ...]


class _Problem:
    """The latencies of networks, and the prior, as matrices of one linearised model."""

    def __init__(self, design: Design, log_ms: Vector, prior: Prior) -> None:
        self.design, self.log_ms, self.prior = design, log_ms, prior
        self.direction = prior.direction(design.names)
        self.groups = [
            np.array([i for i, n in enumerate(design.names) if n.startswith(f"{group} ")], int)
            for group in GROUPS
        ]
        self.of_prices = len(KINDS)
        self.level: Vector = np.zeros(len(prior.mean))
        self.level[: self.of_prices] = 1.0
        self.covariance = prior.covariance + LEVEL * np.outer(self.level, self.level)
        self.precision = np.linalg.inv(self.covariance)
        start = self.log(prior.mean, np.zeros(len(design.names)))
        self.mean = prior.mean + self.level * float(np.median(log_ms - start))

    def corrections(self, common: Vector, own: Vector) -> Vector:
        return own + self.direction @ common[self.of_prices :]

    def log(self, common: Vector, own: Vector) -> Vector:
        prices = np.exp(common[: self.of_prices])
        return self.design.log_ms(prices, self.corrections(common, own))

    def state(self, common: Vector, own: Vector) -> State:
        """`by_price` are also the derivatives by the strengths."""
        prices = np.exp(common[: self.of_prices])
        state = self.design.state(prices, self.corrections(common, own))
        by_common = np.hstack([state.by_price, state.by_correction @ self.direction])
        return State(state.log_ms, by_common, state.by_correction)

    def variances(self, log_scales: Vector) -> Vector:
        """The prior's variance of each own correction."""
        variances: Vector = np.zeros(len(self.design.names))
        for which, scale in zip(self.groups, log_scales, strict=False):
            variances[which] = np.exp(2 * scale)
        return variances

    def loss(self, common: Vector, own: Vector, log_scales: Vector, trust: Vector) -> float:
        """Minus the log posterior, but for a constant."""
        off = (self.log_ms - self.log(common, own)) ** 2 * trust
        apart = common - self.mean
        penalty = apart @ self.precision @ apart + (own**2 / self.variances(log_scales)).sum()
        return 0.5 * float(off.sum() * np.exp(-2 * log_scales[-1]) + penalty)


def fit(design: Design, latency_ms: Vector, prior: Prior) -> Posterior:
    """The posterior of a device given the latencies in ms of the networks of `design`."""
    if len(latency_ms) > MOST:
        some = np.linspace(0, len(latency_ms) - 1, MOST).astype(int)
        design, latency_ms = design.of_networks(some), latency_ms[some]
    problem = _Problem(design, np.log(latency_ms), prior)
    common, own = problem.mean.copy(), np.zeros(len(design.names))
    trust = np.ones(len(latency_ms))
    log_scales = prior.log_scales.copy()
    log_scales[-1] = np.log(FIRST_NOISE)
    chosen, since, settled = 0, 0, False
    for _ in range(STEPS):
        state = problem.state(common, own)
        target = problem.log_ms - state.log_ms
        target = target + state.by_price @ (common - problem.mean) + state.by_correction @ own
        since += 1
        if chosen < ROUNDS and (settled or since > 12):
            log_scales = _choose(problem, state, target, trust, log_scales)
            chosen, since = chosen + 1, 0
        variances = problem.variances(log_scales)
        alpha, factor = _solved(problem, state, target, trust, log_scales)
        to_common = problem.mean + problem.covariance @ (state.by_price.T @ alpha) - common
        to_own = variances * (state.by_correction.T @ alpha) - own
        before = problem.loss(common, own, log_scales, trust)
        step, after = min(1.0, FARTHEST / max(float(np.abs(to_common).max()), 1e-9)), np.inf
        for _ in range(7):
            there = common + step * to_common, own + step * to_own
            after = problem.loss(*there, log_scales, trust)
            if after <= before:
                common, own = there
                break
            step /= 2.5
        if chosen >= 2:
            trust = _trusted(alpha, factor)
        settled = before - after < 0.1
        if chosen == ROUNDS and since > 2 and before - after < 0.01:
            break
    return _result(problem, common, own, trust, log_scales)


def _covariance(problem: _Problem, state: State, trust: Vector, log_scales: Vector) -> Vector:
    """Of the log latencies, before they are known."""
    covariance: Vector = state.by_price @ problem.covariance @ state.by_price.T
    covariance += (state.by_correction * problem.variances(log_scales)) @ state.by_correction.T
    covariance[np.diag_indices(len(covariance))] += np.exp(2 * log_scales[-1]) / trust
    return covariance


def _solved(
    problem: _Problem, state: State, target: Vector, trust: Vector, log_scales: Vector
) -> tuple[Vector, Any]:
    from scipy.linalg import cho_factor, cho_solve

    factor = cho_factor(_covariance(problem, state, trust, log_scales), lower=True)
    return cho_solve(factor, target), factor


def _trusted(alpha: Vector, factor: Any) -> Vector:
    """How much each latency counts: less, if it is far from what the others say of it."""
    from scipy.linalg import cho_solve

    off = np.abs(alpha) / np.diag(cho_solve(factor, np.eye(len(alpha))))
    usual = max(1.4826 * float(np.median(off)), NOISES[0])
    trust: Vector = np.minimum(1.0, OUTLIER * usual / np.maximum(off, 1e-9))
    return trust


def _choose(
    problem: _Problem, state: State, target: Vector, trust: Vector, start: Vector
) -> Vector:
    """The scales of corrections and noise of the greatest evidence, with those of the prior as
    their own prior."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve
    from scipy.optimize import minimize

    fixed = state.by_price @ problem.covariance @ state.by_price.T
    parts = [state.by_correction[:, which] for which in problem.groups]
    grams = [part @ part.T for part in parts] + [np.diag(1 / trust)]
    unit = np.eye(len(target))

    def loss(log_scales: Vector) -> tuple[float, Vector]:
        sizes = np.exp(2 * log_scales)
        covariance = fixed + sum(s * gram for s, gram in zip(sizes, grams, strict=True))
        try:
            factor = cho_factor(covariance, lower=True)
        except LinAlgError:
            return 1e9, np.zeros(len(log_scales))
        alpha, inverse = cho_solve(factor, target), cho_solve(factor, unit)
        excess = inverse - np.outer(alpha, alpha)
        slopes = [s * float((excess * gram).sum()) for s, gram in zip(sizes, grams, strict=True)]
        apart = (log_scales - problem.prior.log_scales) / SPREAD
        value = 0.5 * float(target @ alpha) + float(np.log(np.diag(factor[0])).sum())
        return value + 0.5 * float(apart @ apart), np.array(slopes) + apart / SPREAD

    bounds = [tuple(np.log(SCALES))] * len(GROUPS) + [tuple(np.log(NOISES))]
    best = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40}
    )
    return np.asarray(best.x, np.float64)


def _result(
    problem: _Problem, common: Vector, own: Vector, trust: Vector, log_scales: Vector
) -> Posterior:
    """The posterior around its most likely point, the level of the device left free."""
    from scipy.linalg import solve_triangular

    state = problem.state(common, own)
    target = problem.log_ms - state.log_ms
    target = target + state.by_price @ (common - problem.mean) + state.by_correction @ own
    alpha, factor = _solved(problem, state, target, trust, log_scales)
    evidence = -0.5 * float(target @ alpha) - float(np.log(np.diag(factor[0])).sum())
    covariance = _covariance(problem, state, trust, log_scales) - LEVEL
    lower = np.linalg.cholesky(covariance)
    variances = problem.variances(log_scales)
    effects = np.abs(state.by_correction).max(axis=0) * np.sqrt(variances)
    order = np.argsort(effects)
    slight = np.cumsum(effects[order] ** 2) <= (SLIGHT * np.exp(log_scales[-1])) ** 2
    kept = np.sort(order[~slight])
    seen = np.hstack(
        [state.by_price @ problem.prior.covariance, (state.by_correction * variances)[:, kept]]
    )
    reduction = solve_triangular(lower, seen, lower=True)
    ones = solve_triangular(lower, np.ones(len(target)), lower=True)
    return Posterior(
        common[: problem.of_prices],
        common[problem.of_prices :],
        tuple(problem.design.names[i] for i in kept),
        own[kept],
        log_scales,
        evidence,
        reduction,
        reduction.T @ ones,
        float(ones @ ones),
        state.by_price[:, : problem.of_prices].max(axis=0),
        tuple(problem.design.names[i] for i in np.setdiff1d(order, kept)),
    )


def posterior_of(
    networks: Sequence[Sequence[Kernel]], latency_ms: Vector, prior: Prior
) -> Posterior:
    """The posterior of a device given the latencies in ms of networks, each as its kernels."""
    return fit(Design.of(networks), latency_ms, prior)
