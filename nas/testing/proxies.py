"""The contract of a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import isclose, isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from nas.architecture import Architecture
from nas.proxies import DEFAULT, PROXIES, Probe, Scores, score, scores
from nas.space import SearchSpace
from nas.testing.claims import claim
from nas.testing.modules import MODULES, mobile
from nas.torch_module import build

SIZES = ((32, 32), (45, 37))
NETWORKS = 4
SEED = 3
CLOSE = 1e-6  # of a module's and its architecture's score: sums in another order


def check_proxy(name: str, space: str = "small") -> None:
    """Checks a registered proxy on networks of a space and on modules as users write them.

    A score is a finite number, or undefined with a reason; it depends on the architecture and the
    seed alone, not on weights, on earlier calls or on the proxies beside it; it leaves the module,
    the images and torch's random numbers as they were; a proxy that needs nothing runs nothing. A
    proxy may give two networks the same score, and may be undefined for a module, but not for all
    networks of the space. Errors: `AssertionError`; `NasError` for a name that is not registered.
    """
    needs, loaded = PROXIES[name].needs, SearchSpace.load(space)
    networks = [loaded.sample(seed) for seed in range(NETWORKS)]
    results = [_of_network(name, arch, runs=bool(needs)) for arch in networks]
    reasons = [reason for one in results for reason in one.reasons.values()]
    claim(
        len(reasons) < len(networks),
        f"proxy '{name}' is defined for no network of '{space}': {reasons[:1]}",
    )
    _check_alone(name, networks[0])
    for kind, make in MODULES.items():
        for height, width in SIZES:
            module = make().eval()
            _check_untouched(name, module, _noise(4, 3, height, width), f"module '{kind}'")
    _check_weights(name)
    _check_module_of(name, replace(networks[1], resolution=32))


def _scored(name: str, result: Scores, where: str) -> Scores:
    """The scores, if they are what they may be."""
    value, reason = result[name], result.reasons.get(name, "")
    failed = reason.startswith("failed")
    claim(not failed, f"proxy '{name}' {reason}, on {where}; raise UndefinedScore with a reason")
    claim(isfinite(value) or bool(reason), f"proxy '{name}' gives {value} on {where}")
    return result


def _of_network(name: str, arch: Architecture, runs: bool) -> Scores:
    where = f"network {arch.hash}"
    with _forward_passes() as passes:
        result = _scored(name, scores(arch, [name], SEED), where)
    claim(runs or not passes, f"proxy '{name}' needs nothing, but runs {where}")
    _check_same(name, result, scores(arch, [name], SEED), f"{where} a second time")
    return result


def _check_same(name: str, one: Scores, other: Scores, when: str) -> None:
    same = one[name] == other[name] or one.reasons.get(name) == other.reasons.get(name, "")
    claim(same, f"proxy '{name}' gives {one[name]}, but {other[name]} for {when}")


def _check_alone(name: str, arch: Architecture) -> None:
    """Checks that a proxy leaves what proxies share, which is made once, unchanged."""
    others = [other for other in DEFAULT if other != name]
    alone, without = scores(arch, [name], SEED), scores(arch, others, SEED)
    for order in ([name, *others], [*others, name]):
        both = scores(arch, order, SEED)
        _check_same(name, alone, both, "the same network beside other proxies")
        for other in others:
            claim(both[other] == without[other], f"proxy '{name}' changes the score of '{other}'")


def _check_untouched(name: str, module: nn.Module, x: Tensor, where: str) -> None:
    next(iter(module.modules())).train()  # modes may differ within a module
    next(iter(module.parameters())).requires_grad_(False)
    before, state, images = snapshot(module), torch.get_rng_state(), x.clone()
    with torch.no_grad():
        result = _scored(name, score(module, x, [name], SEED), where)
    for part, value in snapshot(module).items():
        claim(value == before[part], f"proxy '{name}' changes {part or 'the root'} of {where}")
    claim(torch.equal(images, x), f"proxy '{name}' writes to the images")
    claim(not x.requires_grad, f"proxy '{name}' makes the images require a gradient")
    same = torch.equal(state, torch.get_rng_state())
    claim(same, f"proxy '{name}' draws from torch's own random numbers; use probe.generator()")
    with torch.inference_mode():
        _check_same(name, result, score(module, x, [name], SEED), f"{where} in inference mode")


def _check_weights(name: str) -> None:
    x = _noise(4, 3, 32, 32)
    one, other = (score(mobile(), x, [name], SEED) for _ in range(2))
    _check_same(name, one, other, "the same module with other weights")


def _check_module_of(name: str, arch: Architecture) -> None:
    """Checks that an architecture and its module score alike on the same images."""
    probe, wanted = Probe.of(arch, SEED), scores(arch, [name], SEED)[name]
    values = []
    for batch in (probe.batch, probe.many.batch):
        result = score(build(arch), batch, [name], SEED)
        if name in result.reasons:
            return  # it may be for architectures only
        values.append(result[name])
    alike = any(isclose(value, wanted, rel_tol=CLOSE) for value in values)
    claim(alike, f"proxy '{name}' gives {wanted} for a network, but {values[0]} for its module")


def snapshot(module: nn.Module) -> dict[str, Any]:
    """Everything of a module that a score could leave changed."""
    snapshot: dict[str, Any] = {}
    for name, m in module.named_modules():
        hooks = len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)
        snapshot[name] = (m.training, hooks, set(vars(m)))
    for name, p in module.named_parameters():
        snapshot[f"parameter '{name}'"] = (id(p), p.requires_grad, p.grad is None, p._version)
    for name, value in module.state_dict().items():
        snapshot[f"value '{name}'"] = value.clone().tolist()
    return snapshot


@contextmanager
def _forward_passes() -> Iterator[list[nn.Module]]:
    """The modules that are called in its body, in order."""
    called: list[nn.Module] = []

    def note(module: nn.Module, inputs: Any) -> None:
        called.append(module)

    handle = register_module_forward_pre_hook(note)
    try:
        yield called
    finally:
        handle.remove()


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
