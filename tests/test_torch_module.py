"""The module of an architecture: names, seeds and gradients. Values: see test_onnx_model."""

import pytest
import torch
from torch import nn

from nas.architecture import Architecture
from nas.blocks import Block
from nas.costs import cost
from nas.references import reference
from nas.torch_module import build

ARCH = Architecture(
    resolution=16,
    stem=(Block("conv", out=8, stride=2, norm=False),),
    stages=((Block("inverted", out=8, hidden=16, se=8), Block("depthwise", out=8)),),
    head=(Block("gap"), Block("linear", out=4)),
)


def test_parameter_names_are_the_paths_of_the_graph() -> None:
    names = {name for name, _ in build(ARCH).named_parameters()}
    assert names == {
        f"{layer}.{kind}"
        for layer, kinds in {
            "stem.0.conv": ("conv.weight", "conv.bias"),
            "stages.0.0.expand": ("conv.weight", "norm.weight", "norm.bias"),
            "stages.0.0.depthwise": ("conv.weight", "norm.weight", "norm.bias"),
            "stages.0.0.se_reduce": ("conv.weight", "conv.bias"),
            "stages.0.0.se_expand": ("conv.weight", "conv.bias"),
            "stages.0.0.project": ("conv.weight", "norm.weight", "norm.bias"),
            "stages.0.1.depthwise": ("conv.weight", "norm.weight", "norm.bias"),
            "stages.0.1.pointwise": ("conv.weight", "norm.weight", "norm.bias"),
            "head.1.linear": ("linear.weight", "linear.bias"),
        }.items()
        for kind in kinds
    }


@pytest.mark.parametrize("name", ["mobilenet_v3_small_100", "densenet121", "shufflenet_v2_x0_5"])
def test_names_of_networks_are_those_of_their_graph(name: str) -> None:
    arch = reference(name, resolution=64)
    modules = dict(build(arch).named_modules())
    for node in arch.graph().nodes[1:]:
        assert node.name in modules
    assert sum(p.numel() for p in build(arch).parameters()) == cost(arch).params


def states(*networks: nn.Module) -> list[torch.Tensor]:
    return [torch.cat([v.flatten() for v in n.state_dict().values()]) for n in networks]


def test_seed_makes_weights_reproducible() -> None:
    first, again, other = states(build(ARCH, seed=1), build(ARCH, seed=1), build(ARCH, seed=2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.isfinite().all()


def test_seed_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build(ARCH, seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_without_a_seed_the_global_generator_decides() -> None:
    torch.manual_seed(5)
    first = build(ARCH)
    second = build(ARCH)
    torch.manual_seed(5)
    a, b, c = states(first, second, build(ARCH))
    assert torch.equal(a, c)
    assert not torch.equal(a, b)


def test_initialisation_is_he_by_fan_out() -> None:
    network = build(reference("mobilenet_v1_100"), seed=0)
    weights = dict(network.named_parameters())
    pointwise = "stages.3.3.pointwise"
    assert weights[f"{pointwise}.conv.weight"].std().item() == pytest.approx(
        (2 / 512) ** 0.5, rel=0.02
    )
    assert weights[f"{pointwise}.norm.weight"].unique().tolist() == [1.0]
    assert weights["head.1.linear.linear.weight"].std().item() == pytest.approx(0.01, rel=0.02)
    assert weights["head.1.linear.linear.bias"].abs().max().item() == 0


def test_every_parameter_gets_a_gradient_and_a_step_helps() -> None:
    torch.manual_seed(0)
    network = build(ARCH, seed=0).train()
    x, y = torch.randn(8, 3, 16, 16), torch.arange(8) % 4
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), y)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert losses[-1] < losses[0]


def test_output_is_a_row_of_logits_an_image() -> None:
    network = build(ARCH, seed=0).eval()
    assert network(torch.zeros(5, 3, 16, 16)).shape == (5, 4)
