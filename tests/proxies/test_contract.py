"""Every registered proxy keeps the contract; those that are shipped say what they are."""

from __future__ import annotations

import pytest
from networks import noise

import nas
from nas.proxies import DEFAULT, PROXIES, evaluate, score
from nas.proxies.registry import NEEDS
from nas.testing import check_proxy
from nas.testing.modules import mobile

SPACE = nas.SearchSpace.load("small")


@pytest.mark.parametrize("name", sorted(PROXIES))
def test_the_contract(name: str) -> None:
    check_proxy(name)


@pytest.mark.parametrize("name", sorted(PROXIES.shipped))
def test_a_shipped_proxy_tells_networks_apart_and_is_always_defined(name: str) -> None:
    assert len({evaluate(SPACE.sample(seed), [name])[name] for seed in range(4)}) > 1


@pytest.mark.parametrize("name", sorted(PROXIES.shipped))
def test_a_shipped_proxy_says_what_it_is(name: str) -> None:
    found = PROXIES[name]
    assert found.paper
    assert found.cost
    assert found.failure
    assert set(found.needs) <= set(NEEDS)
    assert (found.function.__doc__ or "").strip()


def test_the_default_is_registered() -> None:
    assert set(DEFAULT) <= set(PROXIES)
    assert tuple(score(mobile(), noise(4, 3, 32, 32))) == DEFAULT
