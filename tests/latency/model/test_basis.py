"""The amounts of work in a kernel, against counts made by hand."""

import numpy as np
import pytest

import nas
from nas.latency.lowering.kernels import Kernel, KernelOp
from nas.latency.lowering.rows import network_kernels
from nas.latency.model.basis import CORRECTED, GROUPS, KINDS, Additive, amounts, corrected_by


def work(kernel: Kernel) -> dict[str, float]:
    """The amounts that are not 0."""
    found = dict(zip(KINDS, amounts([kernel])[0].tolist(), strict=True))
    return {kind: amount for kind, amount in found.items() if amount}


POINTWISE = Kernel("pointwise", ((16, 8, 8),), (32, 8, 8), act="relu", residual=True)


def test_the_work_of_a_pointwise_convolution() -> None:
    macs, weights, read, written = 32 * 16 * 64, 32 * 16, 16 * 64, 32 * 64
    found = work(POINTWISE)
    assert found["launch"] == 1
    assert found["eager_launch"] == 4  # convolution, norm, sum, activation
    assert found["macs"] == found["pointwise_macs"] == pytest.approx(macs / 1e6)
    assert found["weights"] == pytest.approx(weights / 1e6)
    assert found["conv_read"] == pytest.approx(read / 1e6)
    assert found["conv_written"] == pytest.approx(2 * written / 1e6)
    assert found["traffic"] == pytest.approx((read + 2 * written + weights) / 1e6)
    assert found["small_macs"] == pytest.approx(macs / 8 / 1e6)


def test_arrays_and_vectors_are_padded() -> None:
    kernel = Kernel("depthwise", ((40, 8, 8),), (40, 8, 8), (3, 3), groups=40)
    assert work(kernel)["depthwise3_macs"] == pytest.approx(40 * 9 * 64 / 1e6)
    assert work(kernel)["vector32_macs"] == pytest.approx(64 * 9 * 64 / 1e6)
    assert work(POINTWISE)["array64_macs"] == pytest.approx(64 * 64 * 64 / 1e6)


def test_operations_that_copy_have_no_macs() -> None:
    concat = Kernel("concat", ((8, 4, 4),) * 3, (24, 4, 4))
    assert work(concat)["copy_launch"] == 2
    assert not [kind for kind in work(concat) if kind.endswith("macs")]


def test_gates_are_an_operation_of_their_own() -> None:
    gate = Kernel("pointwise", ((64, 1, 1),), (16, 1, 1), act="relu")
    assert work(gate)["gate_launch"] == 1
    assert "pointwise_macs" not in work(gate)
    assert all(name.split()[1] == "gate" for name in corrected_by(gate))


def test_every_kind_of_work_occurs_and_is_positive() -> None:
    cell = "|avg_pool_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|nor_conv_3x3~1|skip_connect~2|"
    names = ("densenet121", "shufflenet_v2_x1_0", "vgg11", "mobilenet_v2_100", "efficientnet_b0")
    networks = [nas.reference(name) for name in names]
    networks += [nas.nasbench201(cell), nas.fbnet([1] * 22)]
    seen = {"constant"}
    every = [k for arch in networks for k in network_kernels(arch)]
    for kernel in every:
        assert min(work(kernel).values()) > 0
        groups = [name.split()[0] for name in corrected_by(kernel)]
        assert groups == list(CORRECTED[: len(groups)])
        seen |= work(kernel).keys()
    assert seen == set(KINDS)
    assert sorted(CORRECTED) == sorted(GROUPS)
    alone = np.concatenate([amounts([kernel]) for kernel in every])
    assert amounts(every).tolist() == alone.tolist()


def test_a_prediction_is_a_sum_of_prices() -> None:
    device = Additive({"constant": 2.0, "launch": 0.5, "pointwise_macs": 10.0})
    assert device.constant_ms == 2.0
    expected = 0.5 + 10.0 * 32 * 16 * 64 / 1e6
    assert device.kernels_ms([POINTWISE])[0] == pytest.approx(expected)


def test_no_price_makes_a_larger_kernel_faster() -> None:
    device = Additive(dict.fromkeys(KINDS, 1.0))
    kinds: tuple[tuple[KernelOp, int], ...]
    kinds = (("pointwise", 1), ("grouped", 2), ("depthwise", 32))
    for op, groups in kinds:
        small = Kernel(op, ((32, 8, 8),), (32, 8, 8), groups=groups)
        wide = Kernel(op, ((64, 8, 8),), (64, 8, 8), groups=2 * groups if groups > 2 else groups)
        large = Kernel(op, ((32, 16, 16),), (32, 16, 16), groups=groups)
        assert device.kernels_ms([small])[0] < device.kernels_ms([wide])[0]
        assert device.kernels_ms([small])[0] < device.kernels_ms([large])[0]
