"""The space `tiny` holds what a microcontroller can run."""

import numpy as np

import nas
from nas.space import SearchSpace


def test_networks_are_of_the_size_that_the_space_is_for() -> None:
    space = SearchSpace.load("tiny")
    costs = [nas.cost(space.sample(seed)) for seed in range(200)]
    macs = np.array([cost.macs for cost in costs])
    int8_peak = np.array([cost.peak_bytes for cost in costs]) / 4

    assert macs.max() <= 20e6
    assert np.mean(macs >= 0.25e6) >= 0.95
    assert np.mean(int8_peak <= 256 * 1024) >= 0.98


def test_it_has_every_block_that_it_names() -> None:
    space = SearchSpace.load("tiny")
    kinds = {row.kind for seed in range(100) for row in space.sample(seed).rows()}
    assert {"depthwise", "inverted", "uib", "mobileone"} <= kinds
