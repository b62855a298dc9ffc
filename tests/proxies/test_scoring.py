"""What a score shares, and what it says where it cannot be."""

from __future__ import annotations

import sys
from math import isnan
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import noise, plain
from torch import Tensor, nn

import nas
from nas.blocks import Block
from nas.proxies import DEFAULT, PROXIES, Probe, UndefinedScore, evaluate, registry, score
from nas.proxies.probe import shown_size
from nas.support.errors import NasError
from nas.testing.modules import Functional, Inverted, mobile

X = noise(4, 3, 32, 32)


def test_one_forward_pass_is_shared() -> None:
    module, calls = mobile(), []
    module.register_forward_hook(lambda *_: calls.append(1))
    score(module, X, ["meco", "meco_sampled", "expressivity", "progressivity", "trainability",
                      "naswot", "swap", "grad_norm", "snip", "fisher", "macs"])  # fmt: skip
    assert len(calls) == 1


def test_the_backward_pass_of_the_loss_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, grad = [], torch.autograd.grad

    def counted(*args: Any, **settings: Any) -> Any:
        calls.append(1)
        return grad(*args, **settings)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    score(mobile(), X, ["grad_norm", "snip", "fisher"])
    assert len(calls) == 1


def test_scores_do_not_depend_on_their_company() -> None:
    together = score(mobile(), X, sorted(PROXIES))
    reverse = score(mobile(), X, sorted(PROXIES, reverse=True))
    alone = {name: score(mobile(), X, [name])[name] for name in PROXIES}
    assert together == reverse == alone


def test_in_place_or_not_is_the_same() -> None:
    names = sorted(PROXIES)
    a, b = (score(Functional(inplace=i), X, names) for i in (True, False))
    assert a == pytest.approx(b, rel=1e-5)


def test_functions_or_submodules_are_the_same() -> None:
    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 6, 3, bias=False), nn.Conv2d(6, 8, 3, bias=False)
            self.norm, self.head = nn.BatchNorm2d(6), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = nn.functional.conv2d(input=x, weight=self.a.weight)
            x = torch.relu(self.b(self.norm(x).clamp(min=0)))
            y: Tensor = self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))
            return y

    rows = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False), nn.Conv2d(6, 8, 3, bias=False), nn.BatchNorm2d(6)
    )
    written = Written()
    listed = nn.Sequential(
        rows[0], rows[2], nn.ReLU(), rows[1], nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    names = sorted(PROXIES)
    assert score(written, X, names) == pytest.approx(score(listed, X, names), rel=1e-5)


def test_labels_and_noise_come_from_the_seed() -> None:
    a, b = (score(mobile(), X, ["snip", *DEFAULT], seed=s) for s in (0, 1))
    assert all(a[name] != b[name] for name in a)


@pytest.mark.parametrize("name", sorted(PROXIES))
def test_a_dead_network_is_no_crash(name: str) -> None:
    """Nothing reaches the classifier: a finite, low score or NaN with a reason."""

    class Dead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = plain(4, 6)[:4], nn.Linear(6, 3)  # type: ignore[index]

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.head((self.body(x) * 0.0).mean((2, 3)))
            return y

    found = score(Dead(), X, [name])
    assert isnan(found[name]) == (name in found.reasons)
    if name in DEFAULT:
        assert found[name] <= score(plain(4, 6), X, [name])[name]


@pytest.mark.parametrize(
    ("module", "name", "reason"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "naswot", "no activations"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "progressivity", "fewer than two blocks"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "trainability", "fewer than two blocks"),
        (nn.Sequential(nn.Conv2d(3, 4, 1)), "width", "no spatial convolution"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 3)), "meco", "failed: RuntimeError: mat1"),
        (nn.LSTM(32, 4), "expressivity", "failed"),
        (nn.Identity(), "zen", "no convolution"),
        (plain(*(4096,) * 2, *(64,) * 400, kernel=1), "synflow", "the flow exceeds float64"),
    ],
)
def test_an_undefined_proxy_is_nan_with_its_reason(
    module: nn.Module, name: str, reason: str
) -> None:
    found = score(module, X[:, :, :8, :8], [name, "params"])
    assert isnan(found[name])
    assert reason in found.reasons[name]
    assert found.reasons.keys() == {name}


def test_a_batch_of_one_image() -> None:
    found = score(plain(4, 6), X[:1], ["jacob_cov", "zico", "naswot"])
    assert "a batch of one image" in found.reasons["jacob_cov"]
    assert "a batch of one image" in found.reasons["zico"]
    assert "naswot" not in found.reasons


def test_names_and_plugins_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = nas.reference("mobilenet_v2_075")
    empty: dict[str, float] = {}
    wrong: tuple[tuple[Any, str], ...] = (
        (lambda probe: float("inf"), "proxy 'mine' gave inf"),
        (lambda probe: empty["key"], "proxy 'mine' failed: KeyError: 'key'"),
        (lambda probe: sys.exit(3), "proxy 'mine' failed: SystemExit: 3"),
        (lambda probe: None, "proxy 'mine' failed: TypeError"),
    )
    for function, said in wrong:
        monkeypatch.setitem(PROXIES, "mine", registry.Proxy("mine", "none", function))
        with pytest.raises(UndefinedScore, match=said):
            evaluate(arch, ["mine"])
        assert said.removeprefix("proxy 'mine' ") in score(mobile(), X, ["mine"]).reasons["mine"]
    with pytest.raises(NasError, match="did you mean 'synflow'"):
        evaluate(arch, ["sinflow"])
    with pytest.raises(NasError, match="did you mean 'synflow'"):
        score(mobile(), X, ["sinflow"])
    with pytest.raises(NasError, match="need 'labls' is unknown; did you mean 'labels'"):
        registry.proxy("mine", paper="none", needs=["labls"])


def test_blocks_are_where_all_paths_meet() -> None:
    """Whatever the nesting of its modules, a network falls into its residual blocks."""
    module = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()),
        nn.Sequential(nn.Sequential(Inverted(8, 8, 1)), Inverted(8, 12, 2)),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 2),
    )  # fmt: skip
    probe = Probe(module, X)
    shapes = [probe.trace.layers[i].shape for i in probe.blocks]
    # stem, shortcut's sum, then the convolutions of the block without a shortcut
    assert shapes == [(8, 16, 16), (8, 16, 16), (24, 16, 16), (24, 8, 8), (12, 8, 8)]


def test_a_block_may_enlarge_its_map() -> None:
    grow = nn.Conv2d(8, 8, 1, padding=1)
    rest = list(plain(8).children())[-3:-1]
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), grow, nn.ReLU(), *rest)
    module.append(nn.Linear(8, 2))
    assert not score(module, X, ["trainability"]).reasons


def test_what_is_run_is_smaller_than_what_is_counted() -> None:
    head = (Block("gap"), Block("linear", out=3))
    rows = (Block("conv", out=8, stride=2, act="relu"), Block("conv", out=8, act="relu"))
    small, large = (nas.Architecture(r, rows, (), head) for r in (128, 224))
    assert [Probe.of(arch).batch.shape[2] for arch in (small, large)] == [56, 80]
    names = ["meco_sampled", "macs"]
    a, b = evaluate(small, names), evaluate(large, names)
    assert a["macs"] / b["macs"] == pytest.approx((128 / 224) ** 2, rel=1e-3)
    assert a["meco_sampled"] < b["meco_sampled"]  # no score may be blind to the resolution


@given(st.integers(1, 4096))
def test_larger_images_are_never_run_smaller(resolution: int) -> None:
    size = int(shown_size(resolution))
    assert size <= min(int(shown_size(resolution + 1)), resolution, 128)
