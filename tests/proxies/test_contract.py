"""Every registered proxy keeps one contract, on our architectures and on anybody's modules."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

import pytest
import torch
from networks import MODULES, noise
from torch import nn

import nas
from nas.proxies import DEFAULT, PROXIES, evaluate, score
from nas.proxies.registry import NEEDS

SPACE = nas.SearchSpace.load("small")
NAMES = sorted(PROXIES)


def snapshot(module: nn.Module) -> dict[str, object]:
    """Everything of a module that a score could leave changed."""
    found: dict[str, object] = {}
    for name, m in module.named_modules():
        found[name] = (m.training, len(m._forward_hooks), len(m._backward_hooks), set(vars(m)))
    for name, p in module.named_parameters():
        found[f"{name} itself"] = (id(p), p.requires_grad, p.grad, p._version)
    for name, value in module.state_dict().items():
        found[f"{name} value"] = value.clone().tolist()
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", sorted(MODULES))
@pytest.mark.parametrize("size", [(32, 32), (45, 37)])
def test_any_module_is_scored_and_left_as_it_was(
    kind: str, name: str, size: tuple[int, int]
) -> None:
    module = MODULES[kind]().eval()
    next(iter(module.modules())).train()  # modes may differ within a module
    next(iter(module.parameters())).requires_grad_(False)
    x = noise(4, 3, *size)
    before, state, batch = snapshot(module), torch.get_rng_state(), x.clone()
    with torch.no_grad():
        first = score(module, x, [name], seed=3)
    assert list(first) == [name]
    assert isfinite(first[name])
    assert first.reasons == {}
    assert snapshot(module) == before
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(x, batch)
    assert not x.requires_grad
    with torch.inference_mode():
        assert score(module, x, [name], seed=3) == first


@pytest.mark.parametrize("name", NAMES)
def test_a_score_is_of_the_architecture_not_of_its_weights(name: str) -> None:
    x = noise(4, 3, 32, 32)
    torch.manual_seed(0)
    scores = [score(MODULES["mobile"](), x, [name]) for _ in range(2)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("name", NAMES)
def test_architectures(name: str) -> None:
    archs = [SPACE.sample(seed) for seed in range(4)]
    scores = [evaluate(arch, [name], seed=3)[name] for arch in archs]
    assert all(isinstance(s, float) for s in scores)
    assert len(set(scores)) == 4
    assert evaluate(archs[0], [name], seed=3)[name] == scores[0]


@pytest.mark.parametrize("name", NAMES)
def test_an_architecture_and_its_module_score_alike(name: str) -> None:
    """On the same noise, at a resolution that is not reduced."""
    from nas.proxies.probe import Probe

    arch = replace(SPACE.sample(1), resolution=32)
    probe = Probe.of(arch, seed=2)
    batch = probe.many.batch if name == "swap" else probe.batch
    by_module = score(nas.build(arch), batch, [name], seed=2)
    assert by_module[name] == pytest.approx(evaluate(arch, [name], seed=2)[name], rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_proxy_says_what_it_is(name: str) -> None:
    found = PROXIES[name]
    assert found.paper
    assert found.cost
    assert found.failure
    assert set(found.needs) <= set(NEEDS)
    assert (found.function.__doc__ or "").strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_proxy_that_needs_nothing_runs_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    monkeypatch.setattr(nas.build(SPACE.sample(0)).__class__, "forward", lambda *_: ran.append(1))
    if not PROXIES[name].needs:
        evaluate(SPACE.sample(0), [name])
    assert not ran


def test_the_default_is_registered() -> None:
    assert set(DEFAULT) <= set(PROXIES)
    assert tuple(score(MODULES["mobile"](), noise(4, 3, 32, 32))) == DEFAULT
