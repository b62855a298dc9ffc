"""Each proxy against its definition, computed independently on tiny networks."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from math import exp, log

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import noise, plain
from torch import Tensor, nn

import nas
from nas.blocks import Block
from nas.proxies import Probe, evaluate, score
from nas.proxies.kinds.trainability import spectral_norm
from nas.references import reference_names
from nas.testing.modules import Functional, Inverted, grouped_norm, mobile

X = noise(4, 3, 8, 8)


def with_its_weights(module: nn.Module, x: Tensor = X) -> nn.Module:
    """The module, holding the weights that a score of seed 0 draws."""
    module = deepcopy(module)
    weights = Probe(module, x).weights
    for name, p in module.named_parameters():
        p.data = weights[name].detach().clone()
    return module


def maps(module: nn.Module, kind: type[nn.Module], x: Tensor = X) -> list[np.ndarray]:
    """The outputs of a plain network's rows of a kind."""
    found = []
    for row in with_its_weights(module, x):  # type: ignore[attr-defined]
        x = row(x)
        if isinstance(row, kind):
            found.append(x.detach().double().numpy())
    return found


def least(rows: np.ndarray) -> float:
    return max(0.0, float(np.linalg.eigvalsh(np.corrcoef(rows)).min()))


def test_meco() -> None:
    convs = maps(plain(5, 7, 70), nn.Conv2d)
    expected = sum(least(conv[0].reshape(conv.shape[1], -1)) for conv in convs[:2])
    assert least(convs[2][0].reshape(70, -1)) < 1e-9  # 64 pixels
    assert score(plain(5, 7, 70), X, ["meco"])["meco"] == pytest.approx(expected, rel=1e-4)


def test_sampled_meco_of_few_channels_takes_them_all() -> None:
    convs = maps(plain(5, 8), nn.Conv2d)
    expected = sum(
        np.mean([least(image.reshape(len(image), -1)) for image in conv]) for conv in convs
    )
    found = score(plain(5, 8), X, ["meco_sampled"])["meco_sampled"]
    assert found == pytest.approx(expected, rel=1e-4)


def test_sampled_meco_scales_with_width() -> None:
    x = noise(4, 3, 24, 24)
    narrow, wide = (score(plain(c), x, ["meco_sampled"])["meco_sampled"] for c in (64, 256))
    assert wide / narrow == pytest.approx(4, rel=0.3)


def entropies(features: list[np.ndarray]) -> list[float]:
    found = []
    for f in features:
        values = np.linalg.eigvalsh(np.cov(f.transpose(1, 0, 2, 3).reshape(f.shape[1], -1)))
        shares = values[values > 1e-12] / values.sum()
        found.append(-float((shares * np.log(shares)).sum()))
    return found


def test_expressivity_and_progressivity() -> None:
    """In a plain network the blocks are its convolutions, each with its ReLU."""
    module = plain(6, 5, 9)
    expected = entropies(maps(module, nn.ReLU))
    found = score(module, X, ["expressivity", "progressivity"])
    assert found["expressivity"] == pytest.approx(sum(expected), rel=1e-5)
    gain = min(b - a for a, b in pairwise(expected))
    assert found["progressivity"] == pytest.approx(gain, rel=1e-4)


def test_expressivity_is_log_c_at_most() -> None:
    from nas.proxies.kinds.expressivity import entropy

    assert entropy(noise(64, 8, 32, 32)) == pytest.approx(log(8), abs=1e-3)
    assert entropy(noise(2, 500, 2, 2)) <= log(8)
    assert entropy(torch.ones(2, 3, 4, 4)) == 0


def test_trainability_of_a_linear_block_is_that_of_its_matrix() -> None:
    module = nn.Sequential(*(nn.Conv2d(4, 4, 1, bias=False) for _ in range(3)))
    x = noise(64, 4, 32, 32)
    norms = [
        np.linalg.norm(m.weight.detach().numpy()[:, :, 0, 0], 2)
        for m in list(with_its_weights(module, x))[1:]  # type: ignore[call-overload]
    ]
    expected = np.mean([2 - s - 1 / s for s in norms])
    found = score(module, x, ["trainability"])["trainability"]
    assert found == pytest.approx(expected, abs=0.02)


def test_spectral_norm_of_a_stride() -> None:
    """Each fine pixel of a coarse one is a channel; odd sizes are filled up."""
    coarse = noise(2, 3, 3, 3)
    fine = noise(2, 2, 5, 6)
    channels = np.zeros((8, 18))
    for pixel, (n, i, j) in enumerate(np.ndindex(2, 3, 3)):
        for c, di, dj in np.ndindex(2, 2, 2):
            if 2 * i + di < 5:
                channels[4 * c + 2 * di + dj, pixel] = fine[n, c, 2 * i + di, 2 * j + dj]
    ends = np.array([coarse[n, :, i, j].numpy() for n, i, j in np.ndindex(2, 3, 3)])
    expected = np.linalg.norm(channels @ ends / 18, 2)
    assert spectral_norm(fine, coarse) == pytest.approx(expected, rel=1e-2)  # power iteration


def flow(module: nn.Module) -> float:
    module = with_its_weights(module).double()
    for p in module.parameters():
        p.data.abs_()
    module(torch.ones(1, 3, 8, 8, dtype=torch.float64)).sum().backward()
    return log(sum((p * p.grad).sum().item() for p in module.parameters() if p.grad is not None))


def test_synflow() -> None:
    module = plain(4, 6)
    assert score(module, X, ["synflow"])["synflow"] == pytest.approx(flow(module))


@pytest.mark.parametrize(
    "extra", [nn.BatchNorm2d(4), nn.ReLU6(), nn.Hardswish(), nn.GroupNorm(2, 4)]
)
def test_synflow_leaves_out_norms_and_activations(extra: nn.Module) -> None:
    module = plain(4, 6)
    more = nn.Sequential(*list(module)[:1], extra, *list(module)[1:])  # type: ignore[call-overload]
    assert score(more, X, ["synflow"])["synflow"] == pytest.approx(flow(module))


def test_synflow_beyond_float32() -> None:
    assert score(plain(*(64,) * 40), X, ["synflow"])["synflow"] > 80


def signs(module: nn.Module) -> np.ndarray:
    return np.concatenate([m.reshape(4, -1) > 0 for m in maps(module, nn.Conv2d)], axis=1)


def test_naswot() -> None:
    c = signs(plain(4, 6)).astype(float)
    expected = np.linalg.slogdet(c @ c.T + (1 - c) @ (1 - c).T)[1]
    assert score(plain(4, 6), X, ["naswot"])["naswot"] == pytest.approx(expected)


def test_swap() -> None:
    x = X[:3].repeat(4, 1, 1, 1) + 0.1 * noise(12, 3, 8, 8)  # beyond one byte of images
    c = np.concatenate([m.reshape(12, -1) > 0 for m in maps(plain(4, 6), nn.Conv2d, x)], axis=1)
    assert score(plain(4, 6), x, ["swap"])["swap"] == len({tuple(unit) for unit in c.T})


def test_jacob_cov() -> None:
    module = with_its_weights(plain(4, 6))
    rows = []
    for image in X:
        one = image[None].clone().requires_grad_()
        module(one).sum().backward()
        assert one.grad is not None
        rows.append(one.grad.flatten().double().numpy())
    values = np.linalg.eigvalsh(np.corrcoef(rows)) + 1e-5
    expected = -np.sum(np.log(values) + 1 / values)
    assert score(plain(4, 6), X, ["jacob_cov"])["jacob_cov"] == pytest.approx(expected, rel=1e-3)


def loss_of(module: nn.Module, x: Tensor = X, part: slice = slice(None)) -> Tensor:
    labels = Probe(module, X).labels
    return F.cross_entropy(module(x[part]), labels[part])


def test_grad_norm_and_snip() -> None:
    module = with_its_weights(plain(4, 6))
    loss_of(module).backward()
    norms = sum(p.grad.norm().item() for p in module.parameters() if p.grad is not None)
    salience = sum(
        (p * p.grad).abs().sum().item() for p in module.parameters() if p.grad is not None
    )
    found = score(plain(4, 6), X, ["grad_norm", "snip"])
    assert found == pytest.approx({"grad_norm": norms, "snip": salience}, rel=1e-5)


def test_fisher() -> None:
    """Σ over pixels of a · dL/da is the derivative by a gate that scales an image's channel."""
    module = with_its_weights(plain(4, 6))
    x, gates = X, []
    for row in module:  # type: ignore[attr-defined]
        x = row(x)
        if isinstance(row, nn.Conv2d):
            gates.append(torch.ones(*x.shape[:2], 1, 1, requires_grad=True))
            x = x * gates[-1]
    F.cross_entropy(x, Probe(module, X).labels).backward()
    expected = sum(g.grad.square().mean(0).sum().item() / 2 for g in gates if g.grad is not None)
    assert score(plain(4, 6), X, ["fisher"])["fisher"] == pytest.approx(expected, rel=1e-4)


def test_grasp() -> None:
    """By finite differences of the gradient along the gradient."""
    module = with_its_weights(plain(4, 6)).double()
    weights = list(module.parameters())

    def gradient() -> list[Tensor]:
        return list(torch.autograd.grad(loss_of(module, X.double()), weights))

    g, step = gradient(), 1e-5
    start = [w.detach().clone() for w in weights]
    ends = []
    for sign in (1, -1):
        for w, a, d in zip(weights, start, g, strict=True):
            w.data = a + sign * step * d
        ends.append(gradient())
    products = [(a - b) / (2 * step) for a, b in zip(*ends, strict=True)]
    expected = -sum((w * p).sum().item() for w, p in zip(start, products, strict=True))
    assert score(plain(4, 6), X, ["grasp"])["grasp"] == pytest.approx(expected, rel=1e-3)


def test_zico() -> None:
    module = with_its_weights(plain(4, 6))
    halves = [
        torch.autograd.grad(loss_of(module, part=part), list(module.parameters()))
        for part in (slice(0, 2), slice(2, 4))
    ]
    expected = 0.0
    for a, b in zip(*halves, strict=True):
        pair = np.abs([a.double().numpy(), b.double().numpy()])
        mean, std = pair.mean(0), pair.std(0)
        expected += log((mean[std > 0] / std[std > 0]).sum())
    assert score(plain(4, 6), X, ["zico"])["zico"] == pytest.approx(expected, rel=1e-3)


def test_zen_of_one_convolution() -> None:
    """The change of a Gaussian convolution is normal, of variance 0.01² · 9 · 3."""
    module = nn.Sequential(nn.Conv2d(3, 64, 3, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = noise(16, 3, 16, 16)
    expected = log(0.01 * 27**0.5 * (2 / np.pi) ** 0.5)
    found = score(module, x, ["zen"])["zen"]
    assert found == pytest.approx(expected, abs=0.1)
    conv, *rest = module
    normed = nn.Sequential(conv, nn.BatchNorm2d(64), *rest)
    assert score(normed, x, ["zen"])["zen"] == pytest.approx(found, abs=0.1)


@pytest.mark.parametrize("name", reference_names())
def test_counts_are_the_costs(name: str) -> None:
    arch = nas.reference(name)
    cost = nas.cost(arch)
    assert evaluate(arch, ["params", "macs"]) == {"params": cost.params, "macs": cost.macs}


@pytest.mark.parametrize("module", [mobile(), Functional(), grouped_norm()])
def test_counts_of_a_module_are_what_torch_counts(module: nn.Module) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    x = noise(2, 3, 33, 31)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        module.eval()(x[:1])
    found = score(module, x, ["macs", "params"])
    assert 2 * found["macs"] == counter.get_total_flops()
    assert found["params"] == sum(p.numel() for p in module.parameters())


def test_width_and_channels() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), Inverted(8, 16, 2), nn.Conv2d(16, 40, 1))
    found = score(module, X, ["width", "channels"])
    assert found["width"] == pytest.approx((log(8) + log(24)) / 2)  # 1x1 and SE do not count
    assert found["channels"] == 8 + 24 + 24 + 16 + 40


def test_entropy() -> None:
    convs = tuple(Block("conv", out=32, act="relu", bias=False) for _ in range(3))
    arch = nas.Architecture(8, convs, (), (Block("gap"), Block("linear", out=3, bias=False)))
    logs = [log(3 * 9), log(32 * 9), log(32 * 9)]
    assert 3 / exp(sum(logs) / 3) < 0.5
    expected = pytest.approx(log(8 * 8 * 32) * sum(logs))
    assert evaluate(arch, ["entropy"])["entropy"] == expected
    assert score(plain(32, 32, 32), X, ["entropy"])["entropy"] == expected


def test_effective_params() -> None:
    module = with_its_weights(plain(4, 6))
    loss_of(module).backward()
    layers = [(p.numel(), (p.grad.norm() * p.norm()).item()) for p in module.parameters()
              if p.grad is not None and p.dim() == 4]  # fmt: skip
    rms = (sum(r * r for _, r in layers) / len(layers)) ** 0.5
    expected = sum(n * r for n, r in layers) / rms
    found = score(plain(4, 6), X, ["effective_params"])
    assert found["effective_params"] == pytest.approx(expected, rel=1e-5)


def test_patch_expressivity() -> None:
    features = maps(plain(6, 5), nn.ReLU)[-1]
    patches = [features[n, :, i : i + 2, j : j + 2].ravel() for n, i, j in np.ndindex(4, 7, 7)]
    (expected,) = entropies([np.array(patches)[:, :, None, None]])
    found = score(plain(6, 5), X, ["patch_expressivity"])["patch_expressivity"]
    assert found == pytest.approx(expected, rel=1e-4)


def test_smooth_features_fill_fewer_dimensions() -> None:
    rough = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU())
    smooth = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.AvgPool2d(3, 1, 1))
    x = noise(16, 3, 16, 16)
    a, b = (score(m, x, ["patch_expressivity"])["patch_expressivity"] for m in (smooth, rough))
    assert a < b


def test_calmness_is_the_opposite_of_the_gradient_norm() -> None:
    found = score(plain(4, 6), X, ["calmness", "grad_norm"])
    assert found["calmness"] == pytest.approx(-log(found["grad_norm"]))
