"""The amounts of work in a kernel, against counts made by hand."""

import pytest

import nas
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import network_kernels
from nas.latency.model.basis import SCALES, Additive, work

POINTWISE = Kernel("pointwise", ((16, 8, 8),), (32, 8, 8), act="relu", residual=True)


def test_the_work_of_a_pointwise_convolution() -> None:
    macs, weights, read, written = 32 * 16 * 64, 32 * 16, 16 * 64, 32 * 64
    found = work(POINTWISE)
    assert found["launch"] == 1
    assert found["eager_launch"] == 4  # convolution, norm, sum, activation
    assert found["pointwise_macs"] == pytest.approx(macs / 1e6)
    assert found["weights"] == pytest.approx(weights / 1e6)
    assert found["pointwise_traffic"] == pytest.approx((read + 2 * written) / 1e6)
    assert found["traffic"] == pytest.approx((read + 2 * written + weights) / 1e6)
    assert found["dense_small_macs"] == pytest.approx(macs / 8 / 1e6)


def test_lanes_are_padded() -> None:
    kernel = Kernel("depthwise", ((40, 8, 8),), (40, 8, 8), (3, 3), groups=40)
    assert work(kernel)["depthwise_macs"] == pytest.approx(40 * 9 * 64 / 1e6)
    assert work(kernel)["depthwise_padded_macs"] == pytest.approx(64 * 9 * 64 / 1e6)


def test_operations_that_copy_have_no_macs() -> None:
    concat = Kernel("concat", ((8, 4, 4),) * 3, (24, 4, 4))
    assert work(concat)["concat_launch"] == 2
    assert not [kind for kind in work(concat) if kind.endswith("macs")]


def test_every_kind_of_work_has_a_scale_and_is_positive() -> None:
    cell = "|avg_pool_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|nor_conv_3x3~1|skip_connect~2|"
    networks = [nas.reference(name) for name in ("densenet121", "shufflenet_v2_x1_0", "vgg11")]
    networks += [nas.nasbench201(cell), nas.fbnet([1] * 22)]
    seen = {"constant"}
    for kernel in (k for arch in networks for k in network_kernels(arch)):
        assert min(work(kernel).values()) > 0
        seen |= work(kernel).keys()
    assert seen == set(SCALES)


def test_a_prediction_is_a_sum_of_prices() -> None:
    device = Additive({"constant": 2.0, "launch": 0.5, "pointwise_macs": 10.0})
    assert device.constant_ms == 2.0
    expected = 0.5 + 10.0 * 32 * 16 * 64 / 1e6
    assert device.kernel_ms(POINTWISE) == pytest.approx(expected)
    assert device.kernels_ms([POINTWISE] * 2) == [device.kernel_ms(POINTWISE)] * 2
