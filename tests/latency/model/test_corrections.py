"""The corrections' features, kernel and fit, against their definitions."""

from __future__ import annotations

from itertools import islice
from math import log2

import numpy as np
import pytest

from nas.graph import Act
from nas.latency.lowering.kernels import Kernel
from nas.latency.measuring.plan import subjects
from nas.latency.model import corrections
from nas.latency.model.basis import Additive
from nas.latency.model.corrections import (
    AMPLITUDE,
    APART,
    CLIP,
    FASTEST_MS,
    PART_WEIGHT,
    RIDGE,
    ROBUST,
    WIDTH,
    Corrections,
    Sample,
    features,
    fit_corrections,
    operation,
)
from nas.space import SearchSpace

CONV = Kernel("conv", ((64, 20, 20),), (64, 20, 20), (3, 3), act="relu6", residual=True)


def test_the_features_of_version_3() -> None:
    """Numbers by hand: a stored fit is of these features and of `basis.KINDS`, and of no use with
    others. Version 3 has the features and the basis of version 2, and a doubt."""
    assert corrections.VERSION == 3
    moved = 3 * 64 * 400 + 64 * 64 * 9
    sizes = [0, 0, 0, log2(9) / 3, log2(14.7456) / 5, log2(moved / 1e4) / 4]
    flags = [1, 0, 1, 1, 0, 1, 0, 0, 0]  # constant, stride, acts, sum, inputs, uneven channels
    vectors, tiles, lines = [0, 0, 0], [0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0]  # 20 is 3 tiles and 2
    expected = [*sizes, *flags, *vectors, *tiles, *lines, *cached(moved)]
    assert features([CONV])[0] == pytest.approx(expected)

    concat = Kernel("concat", ((8, 32, 1), (9, 32, 1), (17, 32, 1)), (34, 32, 1), stride=3)
    moved = 2 * 34 * 32
    sizes = [log2(34 / 64) / 2] * 2 + [log2(32 / 400) / 4, 0, 0, log2(moved / 1e4) / 4]
    flags = [1, 2, 0, 0, 0, 0, 2, 1, 1]
    vectors, tiles = [0, 0, 1], [1, 1, 1, 0, 0, 0, 0]
    expected = [*sizes, *flags, *vectors, *tiles, *lines, *cached(moved)]
    assert features([concat])[0] == pytest.approx(expected)


def cached(moved: int) -> list[float]:
    return [1 / (1 + (size / (4 * moved)) ** 2) for size in (5e4, 1e6, 8e6)]


@pytest.mark.parametrize("act", ["hswish", "hsigmoid", "sigmoid", "silu", "relu", None])
def test_smooth_activations_are_told_apart(act: Act | None) -> None:
    plain, found = features([CONV._replace(act=None), CONV._replace(act=act)])
    smooth = act not in ("relu", None)
    changed = {8: float(act is not None), 10: float(smooth)}
    assert np.subtract(found, plain).tolist() == [changed.get(i, 0.0) for i in range(len(found))]


def test_planes_that_share_lines_of_a_cache_are_told_apart() -> None:
    def flags(height: int, width: int) -> tuple[float, ...]:
        shape = (16, height, width)
        return tuple(features([Kernel("activate", (shape,), shape)])[0, 25:29])

    assert flags(8, 8) == (1, 0, 0, 0)
    assert flags(32, 32) == (1, 1, 0, 0)
    assert flags(128, 128) == (1, 1, 1, 1)
    assert flags(9, 9) == (0, 0, 0, 0)
    assert flags(1, 64) == (1, 0, 0, 1)


@pytest.mark.parametrize("made", range(16, 144, 16))
def test_vectors_are_counted_by_fours(made: int) -> None:
    shape = (made - 1, 9, 9)  # the last vector is not full
    expected = [float(made // 16 % 4 == n) for n in (1, 2, 3)]
    assert list(features([Kernel("activate", (shape,), shape)])[0, 15:18]) == expected


def test_what_is_corrected_on_its_own() -> None:
    assert operation(CONV) == "conv"
    assert operation(CONV._replace(layout="planar")) == "conv.planar"


def test_the_waves_are_a_gaussian_process_s() -> None:
    """The product of two points' waves is a squared exponential of their distance, and operations
    are APART from one another."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.3, (8, WIDTH))
    which = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    waves = corrections._waves(x, which, 2)
    by_feature, by_operation = corrections._frequencies(x.shape[1], 2)
    angles = 2 * (x @ by_feature + by_operation[which])
    assert waves == pytest.approx(AMPLITUDE * (2 / 1000) ** 0.5 * np.cos(angles), abs=1e-12)
    scales = np.array([1.0] * 6 + [4.0] * (x.shape[1] - 6))
    apart = (((x[:, None] - x[None]) / scales) ** 2).sum(-1)
    apart += 2 * APART**2 * (which[:, None] != which)
    expected = AMPLITUDE**2 * np.exp(-apart / 2)
    assert waves @ waves.T == pytest.approx(expected, abs=0.1 * AMPLITUDE**2)
    assert expected.min() < 0.2 * AMPLITUDE**2 < 0.7 * AMPLITUDE**2 < expected[0, 1:4].max()


def test_the_correction_is_what_the_module_says() -> None:
    rng = np.random.default_rng(1)
    kernels = [CONV, CONV._replace(op="swap"), CONV._replace(op="add"), CONV._replace(stride=2)]
    width = WIDTH
    found = Corrections(
        ("add", "conv"), rng.normal(0, 0.2, (2, width)), rng.normal(0, 0.05, corrections.WAVES)
    )
    x = features(kernels)
    rows = [1, None, 0, 1]
    for i, row in enumerate(rows):
        if row is None:
            assert found.factors(kernels)[i] == 1
            continue
        wave = corrections._waves(x[i : i + 1], np.array([row]), 2)[0]
        log = found.linear[row] @ x[i] + found.weights @ wave
        assert found.factors(kernels)[i] == pytest.approx(np.exp(log))
    assert list(found.factors([kernels[1]])) == [1]
    for sign in (-1, 1):
        wild = found._replace(linear=np.full((2, width), sign * 1e6))
        assert wild.factors([CONV])[0] == pytest.approx(np.exp(sign * CLIP))


def samples(count: int) -> list[Sample]:
    """Of a device that slows uneven widths down and that `BASE` knows else."""
    space = SearchSpace.load("small")
    rng = np.random.default_rng(0)
    found = []
    for subject in dict.fromkeys(islice(subjects(space.sample), count)):
        kernels = subject.kernels("nchwc16")
        uneven = [1.4 if k.output[2] % 6 else 1.0 for k in kernels]
        ms = 0.02 + float(BASE.kernels_ms(kernels) @ uneven)
        noise = np.exp(rng.normal(0, 0.02))
        found.append(Sample(tuple(kernels), ms * noise, subject.kind == "network"))
    return found


BASE = Additive({"constant": 0.01, "launch": 0.002, "traffic": 0.1, "conv_macs": 0.01})


def test_the_fit_is_the_least_of_what_it_minimises() -> None:
    """A robust loss of log latencies, parts of networks weighing less, with a ridge: no step to
    any side makes it less."""
    measured = samples(60)
    fit, constant = fit_corrections(measured, BASE)
    index = list({k: None for s in measured for k in s.kernels})
    priced = dict(zip(index, BASE.kernels_ms(list(index)), strict=True))
    used = [
        (i, j)
        for i, name in enumerate(fit.operations)
        for j in range(fit.linear.shape[1])
        if any(features([k])[0, j] for k in index if operation(k) == name)
    ]
    assert fit.operations == tuple(sorted({operation(k) for k in index}))
    assert {(int(i), int(j)) for i, j in np.argwhere(fit.linear)} <= set(used)

    def loss(trial: Corrections, log_constant: float) -> float:
        ms = dict(zip(index, trial.factors(index), strict=True))
        total = RIDGE / 2 * ((trial.linear**2).sum() + (trial.weights**2).sum())
        for s in measured:
            predicted = np.exp(log_constant) + sum(ms[k] * priced[k] for k in s.kernels)
            off = np.log(predicted / s.latency_ms)
            weight = 1 if s.network else PART_WEIGHT
            total += weight * ROBUST**2 * np.hypot(1, off / ROBUST)
        return float(total)

    least = loss(fit, np.log(constant))
    assert least < loss(Corrections(fit.operations, 0 * fit.linear, 0 * fit.weights), -4.0) / 2
    rng = np.random.default_rng(2)
    for size in (1e-2, 3e-3):
        for _ in range(10):
            linear = np.zeros_like(fit.linear)
            linear[tuple(np.array(used).T)] = rng.normal(0, size, len(used))
            waves = rng.normal(0, size, len(fit.weights))
            sides = [
                loss(
                    fit._replace(linear=fit.linear + sign * linear),
                    np.log(constant) + sign * rng.normal(0, size),
                )
                for sign in (-1, 1)
            ]
            sides += [loss(fit._replace(weights=fit.weights + s * waves), np.log(constant))
                      for s in (-1, 1)]  # fmt: skip
            assert min(sides) > least
    for step in (-0.02, 0.02):
        assert loss(fit, np.log(constant) + step) > least


def test_a_device_that_the_work_explains_needs_no_correction() -> None:
    exact = [
        s._replace(latency_ms=BASE.constant_ms + BASE.kernels_ms(s.kernels).sum())
        for s in samples(40)
    ]
    fit, constant = fit_corrections(exact, BASE)
    assert constant == pytest.approx(BASE.constant_ms, rel=1e-6)
    for sample in exact:
        assert fit.factors(sample.kernels) == pytest.approx(1, abs=1e-6)


def test_a_base_without_a_constant_starts_at_the_fastest_kernel_s_time() -> None:
    base = Additive({key: value for key, value in BASE.weights.items() if key != "constant"})
    exact = [
        s._replace(latency_ms=FASTEST_MS + base.kernels_ms(s.kernels).sum()) for s in samples(40)
    ]
    fit, constant = fit_corrections(exact, base)
    assert constant == pytest.approx(FASTEST_MS, rel=1e-6)
    assert fit.factors(exact[0].kernels) == pytest.approx(1, abs=1e-6)
