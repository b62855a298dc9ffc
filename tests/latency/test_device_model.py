"""The device model, against data that were made from known coefficients."""

import numpy as np
import pytest

import nas
from nas.latency.device_model import NAMES, Sample, cross_validate, fit, kernel_ms, sample_ms
from nas.latency.kernels import Kernel
from nas.latency.table import network_kernels
from nas.space import SearchSpace

TRUE = {
    "constant": 0.3,
    "launch": 0.01,
    "copy_launch": 0.02,
    "conv_rate": 900.0,
    "pointwise_rate": 700.0,
    "depthwise_rate": 40.0,
    "grouped_rate": 100.0,
    "linear_rate": 50.0,
    "bandwidth": 30.0,
    "depthwise_bandwidth": 20.0,
    "linear_bandwidth": 25.0,
    "copy_bandwidth": 40.0,
}


def test_a_kernel_is_a_roofline_and_a_launch() -> None:
    kernel = Kernel("linear", ((64, 1, 1),), (1000, 1, 1))
    macs, values = 64_000, 64_000 + 64 + 1000
    compute_ms, memory_ms = macs / 50e9 * 1e3, 2 * values / 25e9 * 1e3
    expected = np.hypot(compute_ms, memory_ms) + 0.01
    assert kernel_ms(kernel, TRUE, value_bytes=2) == pytest.approx(expected)


def test_a_concatenation_launches_once_an_input() -> None:
    two = Kernel("concat", ((8, 4, 4),) * 2, (16, 4, 4))
    four = Kernel("concat", ((4, 4, 4),) * 4, (16, 4, 4))
    assert kernel_ms(four, TRUE, 2) - kernel_ms(two, TRUE, 2) == pytest.approx(2 * 0.02)


def test_fit_recovers_the_latencies_of_a_known_device() -> None:
    names = ["alexnet", "vgg11", "resnet18", "densenet121", "squeezenet1_0"]
    networks = [nas.reference(name) for name in names]
    networks += [SearchSpace.load("mobile").sample(seed) for seed in range(35)]
    kernels = [network_kernels(arch) for arch in networks]
    samples = [Sample(k, sample_ms(Sample(k, 1.0), TRUE, 2)) for k in kernels]
    prior = {name: value * (3.0 if i % 2 else 0.4) for i, (name, value) in enumerate(TRUE.items())}
    fitted = fit(samples[:30], 2, prior, strength=1e-4)
    assert set(fitted) == set(NAMES)
    for sample in samples[30:]:
        assert sample_ms(sample, fitted, 2) == pytest.approx(sample.latency_ms, rel=0.01)
    for name in ("constant", "launch", "copy_launch", "conv_rate", "depthwise_bandwidth"):
        assert fitted[name] == pytest.approx(TRUE[name], rel=0.1)


def test_what_no_sample_shows_stays_at_the_prior() -> None:
    sample = Sample(network_kernels(nas.reference("alexnet")), 2.0)
    fitted = fit([sample], 2, TRUE)
    assert fitted["depthwise_rate"] == pytest.approx(TRUE["depthwise_rate"])
    assert fitted["linear_bandwidth"] != pytest.approx(TRUE["linear_bandwidth"], rel=1e-3)


def test_cross_validation_never_sees_the_group_it_judges() -> None:
    """Were the odd one out in its own fit, its error would not be that large."""
    kernels = network_kernels(nas.reference("mobilenet_v2_100"))
    usual = sample_ms(Sample(kernels, 1.0), TRUE, 2)
    samples = [Sample(kernels, usual)] * 4 + [Sample(kernels, 3 * usual)]
    errors = cross_validate(samples, ["a", "a", "b", "b", "c"], 2, TRUE)
    assert errors[-1] == pytest.approx(-np.log(3), abs=0.02)
