"""Ranges on images are those of the values that torch computes."""

import numpy as np
import pytest
import torch

from nas.formats.calibration import BINS, Observed, observe
from nas.formats.folding import folded
from nas.graph import Builder
from nas.testing.numerics import images, randomise
from nas.torch_module import GraphModule


def seen(values: np.ndarray, low: float, high: float) -> Observed:
    return Observed(low, high, np.histogram(values, BINS, (low, high))[0], np.zeros(1))


def test_what_is_seen_is_what_torch_computes() -> None:
    net = Builder((3, 12, 10))
    x = net.conv(0, 6, kernel=3, act="hswish")
    graph = net.finish(net.linear(net.gap(net.add(x, net.conv(x, 6, act="silu"))), 5))
    module = randomise(GraphModule(graph))
    state = {key: value.numpy() for key, value in module.state_dict().items()}
    batches = [images(4, 3, 12, 10), 2 * images(3, 3, 12, 10)]
    found = observe(*folded(graph, state), batches)

    kept: dict[str, list[torch.Tensor]] = {}
    for name, child in module.named_children():
        child.register_forward_hook(
            lambda m, i, o, name=name: kept.setdefault(name, []).append(o.flatten(2))
        )
    with torch.no_grad():
        for batch in batches:
            module(torch.from_numpy(batch))
    for name, tensor in (("conv", "conv.hswish"), ("conv2", "conv2.silu"), ("add", "add"),
                         ("gap", "gap"), ("linear", "linear")):  # fmt: skip
        values = torch.cat(kept[name])
        low, high = found[tensor].range("min-max")
        assert low == pytest.approx(min(0, values.min().item()), abs=1e-5)
        assert high == pytest.approx(max(0, values.max().item()), abs=1e-5)
        np.testing.assert_allclose(found[tensor].means, values.mean((0, 2)), atol=1e-5)
    low, high = found["image"].range("min-max")
    assert (low, high) == (min(b.min() for b in batches), max(b.max() for b in batches))


def test_percentiles_and_entropy_leave_outliers_out() -> None:
    rng = np.random.default_rng(0)
    values = np.append(np.abs(rng.standard_normal(100_000)), 40.0)
    one = seen(values, 0.0, 40.0)
    assert one.range("min-max") == (0.0, 40.0)
    low, high = one.range("percentile 99.9")
    assert low < 0.03
    assert high == pytest.approx(np.quantile(values, 0.999), rel=0.02)
    for method in ("percentile 99.99", "entropy"):
        assert 3 < one.range(method)[1] < 12


def test_entropy_keeps_all_of_a_uniform_range_and_ignores_a_relus_zeros() -> None:
    rng = np.random.default_rng(0)
    even = rng.uniform(0, 1, 100_000)
    assert seen(even, 0.0, 1.0).range("entropy")[1] > 0.9
    mostly_zero = np.append(even, np.zeros(900_000))
    assert seen(mostly_zero, 0.0, 1.0).range("entropy")[1] > 0.9
