"""`calibrate`, on devices that are none of its own: rooflines with limits of their own."""

from math import prod
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import nas
from nas.latency import Target
from nas.latency.calibration import calibrate, filled_in
from nas.latency.lowering.kernels import Kernel, KernelOp
from nas.latency.lowering.rows import network_kernels
from nas.latency.metadata import read_metadata
from nas.latency.model.basis import SCALES, Additive
from nas.latency.model.error import interval_factor
from nas.latency.model.regression import KINDS, amounts, fit_weights, leave_out

RNG = np.random.default_rng(0)
NETWORKS = [nas.fbnet(RNG.integers(0, 9, 22)) for _ in range(150)]
SIZE = 20


def phone(kernel: Kernel) -> float:
    """A roofline whose rate grows with the channels; depthwise at a third of it."""
    rate = 12e6 / (1 + 16 / kernel.output[0]) / (3 if kernel.op == "depthwise" else 1)
    return max(kernel.macs / rate, kernel.moved / 1.5e6) + 0.01


def eager(kernel: Kernel) -> float:
    """Operation by operation: what the host takes to launch each."""
    launches = 1 + 1.2 * ("conv" in kernel.op or "wise" in kernel.op) + 0.3 * bool(kernel.act)
    return max(0.04 * launches, kernel.macs / 1e9)


def array(kernel: Kernel) -> float:
    """An accelerator of 16 by 16 multipliers, for convolutions only."""
    if not kernel.macs:
        return 0.0
    rows, columns = -(-kernel.output[0] // 16), -(-kernel.inputs[0][0] // kernel.groups // 16)
    return rows * columns * prod(kernel.size) * kernel.output[1] * kernel.output[2] / 2e5


DEVICES = {"phone": phone, "eager": eager, "array": array}


def latency(device: str, arch: nas.Architecture, seed: int = 0) -> float:
    """A measured latency, half a percent off."""
    noise = np.random.default_rng([seed, int(arch.hash[:8], 16)]).normal(0, 0.005)
    total = sum(map(DEVICES[device], network_kernels(arch))) + 0.1
    return float(total * np.exp(noise))


@pytest.fixture(scope="module", params=DEVICES)
def found(request: pytest.FixtureRequest) -> tuple[Target, np.ndarray, np.ndarray]:
    """A calibrated target, and what it predicts and what is true for other networks."""
    measured = [(arch, latency(request.param, arch)) for arch in NETWORKS]
    target = nas.calibrate(measured[:SIZE], name="mine", device="Mine")
    predicted = np.array([target.predict(arch).ms for arch in NETWORKS[SIZE:]])
    return target, predicted, np.array([ms for _, ms in measured[SIZE:]])


def test_twenty_networks_rank_the_others(found: tuple[Target, np.ndarray, np.ndarray]) -> None:
    _, predicted, truth = found
    assert spearmanr(predicted, truth)[0] > 0.96
    assert np.abs(predicted / truth - 1).mean() < 0.05


@pytest.mark.parametrize("device", DEVICES)
def test_intervals_hold_nine_out_of_ten(device: str) -> None:
    """Over draws: that of one draw of twenty networks is itself uncertain."""
    work = amounts([network_kernels(arch) for arch in NETWORKS])
    latency_ms = np.array([latency(device, arch) for arch in NETWORKS])
    inside = []
    for seed in range(12):
        order = np.random.default_rng(seed).permutation(len(NETWORKS))
        some, others = order[:SIZE], order[SIZE:]
        weights = fit_weights(work[some], latency_ms[some]).weights
        logs = leave_out(work[some], latency_ms[some], [str(i) for i in range(SIZE)])
        off = np.abs(np.log(work[others] @ weights / latency_ms[others]))
        inside.append((off <= np.log(interval_factor(logs))).mean())
    assert 0.85 <= np.mean(inside) <= 0.97


def test_a_prediction_is_a_sum_of_positive_kernels(
    found: tuple[Target, np.ndarray, np.ndarray],
) -> None:
    target, predicted, _ = found
    for arch, ms in zip(NETWORKS[SIZE : SIZE + 10], predicted, strict=False):
        times = [target.kernel_ms(kernel) for kernel in network_kernels(arch)]
        assert min(times) >= 0
        assert target.constant_ms + sum(times) == pytest.approx(ms)


def test_it_is_a_target_like_any_other(
    found: tuple[Target, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    target, predicted, _ = found
    path = tmp_path / "mine.yaml"
    path.write_text(target.metadata.to_yaml(), encoding="utf-8")
    loaded = Target.load(path)
    assert loaded.metadata == target.metadata
    assert loaded.predict(NETWORKS[SIZE]).ms == pytest.approx(predicted[0])
    assert loaded.checksum == target.checksum


def test_other_families_can_be_predicted(found: tuple[Target, np.ndarray, np.ndarray]) -> None:
    target, _, _ = found
    cell = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"
    for arch in (nas.nasbench201(cell), nas.reference("densenet121"), nas.reference("resnet18")):
        assert 0 < target.predict(arch).ms < float("inf")


def test_a_base_of_ones_own_is_scaled() -> None:
    base = Target.load("jetson-nano")
    archs = [nas.reference(name) for name in ("resnet18", "vgg11", "squeezenet1_1", "alexnet")]
    archs += [nas.reference(name) for name in ("mobilenet_v2_100", "densenet121")]
    found = calibrate([(arch, 2.5 * base.predict(arch).ms) for arch in archs], base)
    assert found.metadata.sources[-1] == "prior: jetson-nano"
    assert found.metadata.runtime == base.metadata.runtime
    for arch in (nas.reference("mnasnet_100"), nas.reference("shufflenet_v2_x1_0")):
        assert found.predict(arch).ms == pytest.approx(2.5 * base.predict(arch).ms, rel=0.1)


def test_work_that_no_network_has_is_taken_from_a_known_device() -> None:
    kinds = {kind: i for i, kind in enumerate(KINDS)}
    work, donor = np.zeros((3, len(KINDS))), np.zeros(len(KINDS))
    work[:, kinds["launch"]] = 10.0
    donor[kinds["launch"]], donor[kinds["depthwise_macs"]] = 0.1, 7.0
    weights, filled = filled_in(np.zeros(len(KINDS)), work, np.full(3, 4.0), donor)
    assert filled == ["depthwise_macs"]
    assert weights[kinds["depthwise_macs"]] == pytest.approx(4 * 7.0)
    assert weights[kinds["launch"]] == 0


def test_wrong_latencies_are_refused() -> None:
    few = [(arch, 1.0) for arch in NETWORKS[:2]]
    with pytest.raises(nas.NasError, match="2 networks; at least 3"):
        calibrate(few)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(nas.NasError, match="must be above 0"):
            calibrate([*few, (NETWORKS[2], wrong)])
    with pytest.raises(nas.NasError, match="precision"):
        calibrate([(arch, 1.0) for arch in NETWORKS[:3]], precision="fp8")


def test_a_calibrated_target_needs_weights(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    text = "name: old\ndevice: d\nprovenance: calibrated\nruntime: r\nprecision: fp32\n"
    path.write_text(text + "date: 2026-01-01\nsources: []\n", encoding="utf-8")
    with pytest.raises(nas.NasError, match=r"old\.yaml: weights: .*calibrate it anew"):
        read_metadata(path)
    path.write_text(
        text + "date: 2026-01-01\nsources: []\nweights: {lunch: 1.0}\n", encoding="utf-8"
    )
    with pytest.raises(nas.NasError, match="weight 'lunch' is unknown; did you mean 'launch'"):
        read_metadata(path)


def test_no_price_makes_a_larger_kernel_faster() -> None:
    device = Additive(dict.fromkeys(SCALES, 1.0))
    kinds: tuple[tuple[KernelOp, int], ...]
    kinds = (("pointwise", 1), ("grouped", 2), ("depthwise", 32))
    for op, groups in kinds:
        small = Kernel(op, ((32, 8, 8),), (32, 8, 8), groups=groups)
        wide = Kernel(op, ((64, 8, 8),), (64, 8, 8), groups=2 * groups if groups > 2 else groups)
        large = Kernel(op, ((32, 16, 16),), (32, 16, 16), groups=groups)
        assert device.kernel_ms(small) < device.kernel_ms(wide)
        assert device.kernel_ms(small) < device.kernel_ms(large)
