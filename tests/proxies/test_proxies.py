"""Every registered proxy keeps one contract; two have values that can be worked out by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

import nas
from nas.blocks import Block
from nas.errors import NasError
from nas.proxies import PROXIES, Combiner, Probe, UndefinedScore, evaluate, registry

SPACE = nas.SearchSpace.load("small")


def plain(
    act: str | None, *, norm: bool = True, widths: tuple[int, ...] = (4, 6)
) -> nas.Architecture:
    convs = tuple(Block("conv", out=w, act=act, norm=norm, bias=False) for w in widths)
    return nas.Architecture(8, convs, (), (Block("gap"), Block("linear", out=3, bias=False)))


@pytest.mark.parametrize("name", sorted(PROXIES))
def test_contract(name: str) -> None:
    function = PROXIES[name].function
    scores = []
    for seed in range(6):
        probe = Probe(SPACE.sample(seed), seed=3)
        before = {k: v.clone() for k, v in probe.module.state_dict().items()}
        state = torch.get_rng_state()
        scores.append(function(probe))
        assert torch.equal(state, torch.get_rng_state())
        assert probe.module.training
        assert all(torch.equal(before[k], v) for k, v in probe.module.state_dict().items())
        assert all(p.grad is None for p in probe.module.parameters())
        assert evaluate(probe.arch, [name], seed=3) == {name: scores[-1]}
    assert all(isinstance(s, float) for s in scores)
    assert len(set(scores)) == 6
    assert PROXIES[name].paper


def test_synflow_equals_its_definition_on_a_plain_network() -> None:
    arch = plain("relu", norm=False)
    network = nas.build(arch, seed=5).double()
    weights = list(network.parameters())
    for p in weights:
        p.data.abs_()
    network(torch.ones(1, 3, 8, 8, dtype=torch.float64)).sum().backward()
    flow = sum((p.detach() * p.grad).sum().item() for p in weights if p.grad is not None)
    assert evaluate(arch, ["synflow"], seed=5)["synflow"] == pytest.approx(log(flow))


def test_synflow_is_not_cut_by_relu6_nor_infinite_for_deep_networks() -> None:
    deep = {act: plain(act, widths=(64,) * 40) for act in ("relu", "relu6")}
    scores = {act: evaluate(arch, ["synflow"])["synflow"] for act, arch in deep.items()}
    assert scores["relu"] == scores["relu6"] > 80  # beyond float32's largest number


def test_entropy_by_hand() -> None:
    wide = plain("relu", widths=(32, 32, 32))
    logs = [log(3 * 9), log(32 * 9), log(32 * 9)]
    assert 3 / exp(sum(logs) / 3) < 0.5
    assert evaluate(wide, ["entropy"])["entropy"] == pytest.approx(log(8 * 8 * 32) * sum(logs))


def test_undefined_and_unknown_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    undefined = registry.Proxy("undefined", "none", lambda probe: float("inf"))
    monkeypatch.setitem(PROXIES, "undefined", undefined)
    with pytest.raises(UndefinedScore, match="'undefined' gave inf"):
        evaluate(plain("relu"), ["undefined"])
    with pytest.raises(NasError, match="did you mean 'synflow'"):
        evaluate(plain("relu"), ["sinflow"])


def test_combined_score_is_relative_to_the_reference() -> None:
    reference = [{"a": 1.0, "b": 10.0}, {"a": 3.0, "b": 10.0}]
    combiner = Combiner().fit(reference)
    assert combiner.score({"a": 2.0, "b": 10.0}) == 0
    assert combiner.score({"a": 3.0, "b": 10.0}) == pytest.approx(0.5)
    assert combiner.score({"a": 2.0, "b": 11.0}) > 0
