"""A measured target, scaled by a few networks: what is known of the answer is found again."""

from __future__ import annotations

import numpy as np
import pytest

from nas.latency import Target
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import network_kernels
from nas.latency.measuring.plan import mixed_network
from nas.latency.model.scaled import left_out, scale
from nas.support.errors import NasError


@pytest.fixture(scope="module")
def base() -> Target:
    return Target.load("x86-avx512-ort")


@pytest.fixture(scope="module")
def networks(base: Target) -> list[tuple[Kernel, ...]]:
    lowering = base.metadata.lowering
    return [network_kernels(mixed_network(seed), lowering) for seed in range(30)]


def latencies(base: Target, networks: list[tuple[Kernel, ...]], **times: float) -> list[float]:
    """The latencies of a device whose operations take so many times as long."""
    return [
        base.constant_ms
        + sum(
            ms * times.get(kernel.op, times["others"])
            for kernel, ms in zip(kernels, base.predictor.kernels_ms(kernels), strict=True)
        )
        for kernels in networks
    ]


def test_a_device_that_is_twice_as_slow_is_predicted_so(
    base: Target, networks: list[tuple[Kernel, ...]]
) -> None:
    ms = latencies(base, networks, others=2.0)
    scaled = scale(base.predictor, networks[:15], np.array(ms[:15]))
    for kernels, measured in zip(networks[15:], ms[15:], strict=True):
        predicted = scaled.constant_ms + sum(scaled.kernels_ms(kernels))
        assert predicted == pytest.approx(measured, rel=0.02)


def test_operations_that_differ_are_learned_and_what_is_left_out_says_how_well(
    base: Target, networks: list[tuple[Kernel, ...]]
) -> None:
    ms = np.array(latencies(base, networks, others=2.0, depthwise=5.0))
    scaled = scale(base.predictor, networks[:25], ms[:25])
    logs = left_out(base.predictor, networks[:25], ms[:25])
    off = [
        np.log((scaled.constant_ms + sum(scaled.kernels_ms(kernels))) / measured)
        for kernels, measured in zip(networks[25:], ms[25:], strict=True)
    ]
    one_factor = np.log(
        ms / [base.constant_ms + sum(base.predictor.kernels_ms(k)) for k in networks]
    )
    one_factor -= np.median(one_factor)
    assert np.abs(off).mean() < np.abs(one_factor).mean() / 2
    assert np.abs(off).mean() < 2 * np.abs(logs).mean() + 0.01


def test_a_few_networks_are_refused(base: Target, networks: list[tuple[Kernel, ...]]) -> None:
    with pytest.raises(NasError, match="4 networks were timed; at least 5"):
        scale(base.predictor, networks[:4], np.ones(4))
