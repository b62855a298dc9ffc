"""Log ranks: absolute, strictly increasing, and bounded above."""

from __future__ import annotations

from itertools import pairwise
from math import isnan, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.proxies import DEFAULT, Combiner
from nas.proxies.combine import Sample
from nas.support.errors import NasError

REFERENCE = [{"a": float(i), "b": float(-i)} for i in range(10)]
finite = st.floats(-1e6, 1e6)


def test_a_rank_is_the_share_that_is_worse() -> None:
    rank = Sample.of(np.arange(10.0)).rank
    assert rank(4.5) == pytest.approx(0.5)
    assert rank(0.0) == pytest.approx(0.05)
    assert rank(9.0) == pytest.approx(0.95)
    assert rank(4.75) == pytest.approx(0.525)
    assert Sample.of([1.0, 1.0, 1.0, 2.0]).rank(1.0) == pytest.approx(1.5 / 4)


@given(st.lists(finite, min_size=1, max_size=20), finite, finite)
def test_ranks_increase_within_and_beyond_the_sample(
    sample: list[float], a: float, b: float
) -> None:
    a, b = sorted((a, b))
    rank = Sample.of(sample).rank
    low, high = rank(a), rank(b)
    assert 0 < low <= high < 1


def test_ranks_far_beyond_the_sample_still_differ() -> None:
    rank = Sample.of(np.arange(64.0)).rank
    for values in (np.geomspace(63.1, 1e8, 50), -np.geomspace(1e8, 0.1, 50)):
        ranks = [rank(v) for v in values]
        assert all(a < b for a, b in pairwise(ranks))


def test_a_rank_beyond_the_sample_falls_with_the_distance_in_ranges() -> None:
    """The distance from 0 or 1 is half a place, and falls as 1 / (1 + distance / range)."""
    rank = Sample.of([10.0, 12.0, 11.0, 14.0]).rank
    assert rank(10.0) == pytest.approx(1 / 8)
    assert rank(14.0) == pytest.approx(7 / 8)
    for ranges in (0.5, 1, 3):
        assert rank(10.0 - 4 * ranges) == pytest.approx(1 / 8 / (1 + ranges))
        assert rank(14.0 + 4 * ranges) == pytest.approx(1 - 1 / 8 / (1 + ranges))


@pytest.mark.parametrize(("constant", "spread"), [(5.0, 5.0), (-5.0, 5.0), (0.25, 1.0), (0.0, 1.0)])
def test_a_constant_sample_is_as_wide_as_its_value_and_at_least_1(
    constant: float, spread: float
) -> None:
    rank = Sample.of([constant] * 3).rank
    assert rank(constant) == pytest.approx(1 / 2)
    for widths in (1, 4):
        assert rank(constant - widths * spread) == pytest.approx(1 / 6 / (1 + widths))
        assert rank(constant + widths * spread) == pytest.approx(1 - 1 / 6 / (1 + widths))


def test_a_rank_so_far_below_that_it_would_be_0_has_a_log() -> None:
    rank = Sample.of([0.0, 1e-300]).rank
    assert 0 < rank(-1e308) < 1e-300


def test_the_score_is_the_sum_of_log_ranks_and_absolute() -> None:
    combiner = Combiner.fit(REFERENCE)
    expected = log(0.85) + log(0.15)
    assert combiner.score({"a": 8.0, "b": -8.0}) == pytest.approx(expected)
    again = Combiner.fit(REFERENCE[::-1])
    assert again.score({"a": 8.0, "b": -8.0}) == combiner.score({"a": 8.0, "b": -8.0})


def test_one_extreme_proxy_does_not_make_up_for_a_poor_one() -> None:
    combiner = Combiner.fit(REFERENCE)
    extreme, balanced = {"a": 1e9, "b": -8.0}, {"a": 7.0, "b": -3.0}
    assert combiner.score(extreme) < combiner.score(balanced) < 0


def test_the_default_takes_the_default_proxies_only() -> None:
    reference = [{**dict.fromkeys(DEFAULT, float(i)), "other": 1.0} for i in range(4)]
    combiner = Combiner.default().fit(reference)
    assert set(combiner.samples_) == set(DEFAULT)
    assert combiner.score(reference[3]) > combiner.score(reference[0])


def test_what_is_undefined() -> None:
    nan = float("nan")
    combiner = Combiner.fit([{"a": 1.0}, {"a": nan}, {"a": 3.0}])
    assert combiner.score({"a": 2.0}) == pytest.approx(log(0.5))
    assert isnan(combiner.score({"a": nan}))
    with pytest.raises(NasError, match="proxy 'a' is undefined for the whole"):
        Combiner.fit([{"a": nan}])
    with pytest.raises(NasError, match="at least one network"):
        Combiner.fit([])
    with pytest.raises(NasError, match="call fit first"):
        Combiner().score({"a": 1.0})
