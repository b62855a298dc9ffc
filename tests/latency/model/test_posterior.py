"""The Bayesian fit, against devices made of known prices and against its own formulas."""

import numpy as np
import pytest

import nas
from nas.latency.lowering.rows import network_kernels
from nas.latency.model.basis import GROUPS, KINDS, Vector
from nas.latency.model.calibrated import DOUBT, Calibrated
from nas.latency.model.design import Design
from nas.latency.model.posterior import fit
from nas.latency.model.prior import Prior, shipped_prior
from nas.support.errors import NasError

RNG = np.random.default_rng(0)
NETWORKS = [network_kernels(nas.fbnet(RNG.integers(0, 9, 22))) for _ in range(120)]
DESIGN = Design.of(NETWORKS)
PRIOR = shipped_prior()


def device(**prices: float) -> Vector:
    """The latencies of the networks on a device with these prices, almost nothing else."""
    found = np.array([prices.get(kind, 0.0) for kind in KINDS])
    return np.exp(DESIGN.log_ms(found, np.zeros(len(DESIGN.names))))


CPU = device(
    constant=0.5,
    launch=0.01,
    pointwise_macs=0.08,
    depthwise3_macs=0.4,
    depthwisek_macs=0.4,
    grouped_macs=0.2,
    traffic=1.0,
)
GPU = device(constant=1.0, eager_launch=0.04, depthwise_launch=0.02, copy_launch=0.03)


def predicted(latency_ms: Vector, count: int) -> tuple[Calibrated, Vector]:
    """A fit to the first networks, and log (predicted / measured) of the others."""
    found = Calibrated(
        fit(DESIGN.of_networks(np.arange(count)), latency_ms[:count], PRIOR), PRIOR, 1.0
    )
    ms = [found.constant_ms + sum(found.kernels_ms(kernels)) for kernels in NETWORKS[count:]]
    return found, np.log(np.array(ms) / latency_ms[count:])


def test_the_shares_are_the_derivatives_of_the_log_latency() -> None:
    prices, corrections = np.exp(PRIOR.mean[: len(KINDS)]), RNG.normal(0, 0.1, len(DESIGN.names))
    state = DESIGN.state(prices, corrections)
    np.testing.assert_allclose(state.by_price.sum(axis=1), 1)
    for i in (0, 3, 7):
        step = np.zeros(len(KINDS))
        step[i] = 1e-6
        moved = DESIGN.log_ms(prices * np.exp(step), corrections) - state.log_ms
        np.testing.assert_allclose(moved / 1e-6, state.by_price[:, i], atol=1e-4)
        step = np.zeros(len(corrections))
        step[i] = 1e-6
        moved = DESIGN.log_ms(prices, corrections + step) - state.log_ms
        np.testing.assert_allclose(moved / 1e-6, state.by_correction[:, i], atol=1e-4)


@pytest.mark.parametrize("latency_ms", [CPU, GPU], ids=["cpu", "gpu"])
def test_ten_networks_are_enough_for_a_quiet_device_and_fifty_for_more(latency_ms: Vector) -> None:
    few, many = (predicted(latency_ms, count)[1] for count in (10, 50))
    assert np.abs(few).mean() < 0.04
    assert np.abs(many).mean() < 0.01


def test_the_level_of_a_device_is_free() -> None:
    _, slow = predicted(1e4 * CPU, 10)
    _, fast = predicted(1e-3 * CPU, 10)
    np.testing.assert_allclose(slow, fast, atol=1e-3)


def test_a_wrong_latency_does_not_spoil_the_others() -> None:
    wrong = CPU * np.where(np.arange(len(CPU)) % 10 == 3, 1.6, 1.0)
    found, _ = predicted(wrong, 40)
    ms = [found.constant_ms + sum(found.kernels_ms(kernels)) for kernels in NETWORKS[40:]]
    assert np.abs(np.log(np.array(ms) / CPU[40:])).mean() < 0.03


def test_uncertainty_is_that_of_the_errors_and_grows_with_what_is_new() -> None:
    noisy = CPU * np.exp(np.random.default_rng(1).normal(0, 0.03, len(CPU)))
    found, logs = predicted(noisy, 30)
    deviations = np.array([found.deviation(found.trace(k)) for k in NETWORKS[30:]])
    assert 0.6 < np.sqrt(np.mean((logs / deviations) ** 2)) < 1.6
    other = network_kernels(nas.reference("densenet121"))
    assert found.deviation(found.trace(other)) > 3 * np.median(deviations)


def test_the_deviation_is_that_of_the_full_covariance() -> None:
    """Against the posterior's formula, written out with the level as one more, large, variance."""
    few = np.arange(12)
    size, seen = len(KINDS), DESIGN.of_networks(few)
    posterior = fit(seen, CPU[few], PRIOR)
    found = Calibrated(posterior, PRIOR, 1.0)
    corrections = PRIOR.direction(DESIGN.names) @ posterior.strengths
    own = dict(zip(posterior.names, posterior.own, strict=True))
    corrections += np.array([own.get(name, 0.0) for name in DESIGN.names])
    state = DESIGN.state(np.exp(posterior.log_prices), corrections)
    common = np.hstack([state.by_price, state.by_correction @ PRIOR.direction(DESIGN.names)])
    scales = {g: np.exp(2 * s) for g, s in zip(GROUPS, posterior.log_scales, strict=False)}
    variances = np.array([scales[name.split()[0]] for name in DESIGN.names])
    covariance = common @ PRIOR.covariance @ common.T + 1e4
    covariance += (state.by_correction * variances) @ state.by_correction.T
    noise = np.exp(2 * posterior.log_scales[-1])
    known = covariance[np.ix_(few, few)] + noise * np.eye(len(few))
    for i in (50, 70, 90):
        left = covariance[i, i] - covariance[i, few] @ np.linalg.solve(known, covariance[few, i])
        stated = found.deviation(found.trace(NETWORKS[i]))
        assert stated == pytest.approx(np.sqrt(DOUBT * left + noise), rel=0.25)
    assert common.shape[1] == size + PRIOR.strengths


def test_what_is_stored_predicts_the_same() -> None:
    found, _ = predicted(CPU, 20)
    again = Calibrated.from_json(found.to_json(), found.weights)
    for kernels in NETWORKS[20:30]:
        assert sum(again.kernels_ms(kernels)) == pytest.approx(sum(found.kernels_ms(kernels)), 1e-4)
        one, other = (c.deviation(c.trace(kernels)) for c in (found, again))
        assert one == pytest.approx(other, rel=0.05)
    for damaged in ("", "{}", found.to_json()[:-9], found.to_json().replace(PRIOR.stamp, "0")):
        with pytest.raises(NasError, match="calibrate it anew"):
            Calibrated.from_json(damaged, found.weights)


def test_the_prior_is_read_as_it_was_written() -> None:
    again = Prior.from_json(PRIOR.to_json())
    np.testing.assert_array_equal(again.covariance, PRIOR.covariance)
    assert again.directions.keys() == PRIOR.directions.keys()
    assert np.linalg.eigvalsh(PRIOR.covariance).min() > 0
    with pytest.raises(ValueError, match="other kinds"):
        Prior.from_json(PRIOR.to_json().replace("launch", "lunch"))
