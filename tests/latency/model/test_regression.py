"""The positive fit with a prior, against devices made of known prices."""

import numpy as np
import pytest

import nas
from nas.latency.lowering.rows import network_kernels
from nas.latency.model.regression import (
    KINDS,
    NONE,
    Vector,
    amounts,
    fit_weights,
    leave_out,
    named,
)

RNG = np.random.default_rng(0)
NETWORKS = [nas.fbnet(RNG.integers(0, 9, 22)) for _ in range(120)]
WORK = amounts([network_kernels(arch) for arch in NETWORKS])
NOTHING = np.zeros(len(KINDS))


def device(**prices: float) -> Vector:
    return np.array([prices.get(kind, 0.0) for kind in KINDS])


CPU = device(
    constant=0.5,
    launch=0.01,
    pointwise_macs=0.08,
    depthwise_macs=0.4,
    grouped_macs=0.2,
    traffic=1.0,
)
GPU = device(constant=1.0, eager_launch=0.04, depthwise_macs=0.02, shuffle_launch=0.03)


@pytest.mark.parametrize("prices", [CPU, GPU], ids=["cpu", "gpu"])
def test_ten_networks_are_enough_for_a_quiet_device(prices: Vector) -> None:
    latency_ms = WORK @ prices
    fit = fit_weights(WORK[:10], latency_ms[:10])
    assert fit.weights.min() >= 0
    off = WORK[10:] @ fit.weights / latency_ms[10:] - 1
    assert np.abs(off).mean() < 0.02


def test_a_wrong_latency_does_not_spoil_the_others() -> None:
    latency_ms = WORK @ CPU
    wrong = latency_ms * np.where(np.arange(len(WORK)) % 10 == 3, 1.6, 1.0)
    weights = fit_weights(WORK[:40], wrong[:40]).weights
    off = WORK[40:] @ weights / latency_ms[40:] - 1
    assert np.abs(off).mean() < 0.02


def test_a_base_that_is_slower_by_a_factor_is_recognised() -> None:
    bases = {NONE: NOTHING, "cpu": CPU, "gpu": GPU}
    latency_ms = 2.5 * (WORK @ CPU)
    fit = fit_weights(WORK[:10], latency_ms[:10], bases)
    assert max(fit.belief, key=fit.belief.__getitem__) == "cpu"
    assert sum(fit.belief.values()) == pytest.approx(1)
    np.testing.assert_allclose(WORK @ fit.weights, latency_ms, rtol=0.01)


def test_a_base_that_does_not_fit_does_no_harm() -> None:
    latency_ms = WORK @ GPU
    alone = fit_weights(WORK[:20], latency_ms[:20]).weights
    fit = fit_weights(WORK[:20], latency_ms[:20], {NONE: NOTHING, "cpu": CPU})
    for weights in (alone, fit.weights):
        assert np.abs(WORK[20:] @ weights / latency_ms[20:] - 1).mean() < 0.02


def test_leaving_out_never_sees_the_group_it_judges() -> None:
    """Were the odd one out in its own fit, its error would not be that large."""
    latency_ms = (WORK @ CPU)[:12]
    latency_ms[-1] *= 3
    logs = leave_out(WORK[:12], latency_ms, [*"aabbccddee", "f", "g"])
    assert logs[-1] == pytest.approx(-np.log(3), abs=0.05)


def test_the_stated_error_holds_on_other_networks() -> None:
    latency_ms = (WORK @ CPU) * np.exp(np.random.default_rng(1).normal(0, 0.03, len(WORK)))
    logs = leave_out(WORK[:30], latency_ms[:30], [str(i) for i in range(30)])
    others = np.log(WORK[30:] @ fit_weights(WORK[:30], latency_ms[:30]).weights / latency_ms[30:])
    assert np.abs(others).mean() == pytest.approx(np.abs(logs).mean(), rel=0.4)


def test_what_is_stored_is_what_is_not_zero() -> None:
    assert named(CPU) == {kind: price for kind, price in zip(KINDS, CPU, strict=True) if price}
