"""Re-parameterised convolutions: what they are trained as, what they fold into."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nas.architecture import Architecture
from nas.blocks import Block, block_graph
from nas.branches import Branches, deployed
from nas.costs import graph_cost
from nas.formats.onnx_model import to_onnx
from nas.graph import Builder
from nas.latency.lowering.kernels import kernels
from nas.support.errors import ShapeError
from nas.testing.numerics import images, randomise, run_onnx, run_torch
from nas.torch_module import GraphModule, build

CASES = {
    "RepVGG": {"out": 8, "kernel": 3, "branches": 1},
    "strided": {"out": 8, "kernel": 3, "branches": 2, "stride": 2},
    "wider": {"out": 12, "kernel": 5, "branches": 1},
    "depthwise": {"out": 8, "kernel": 3, "branches": 4, "groups": 8},
    "grouped": {"out": 8, "kernel": 3, "branches": 1, "groups": 2},
    "pointwise": {"out": 8, "kernel": 1, "branches": 3},
}


def module_of(**settings: int) -> GraphModule:
    net = Builder((8, 9, 7))
    out = settings.pop("out")
    return randomise(GraphModule(net.finish(net.conv(0, out, **settings))))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CASES)
def test_folded_convolution_computes_the_sum_of_its_branches(name: str) -> None:
    module, x = module_of(**CASES[name]), images(2, 8, 9, 7)
    one = deployed(module)

    torch.testing.assert_close(run_torch(one, x), run_torch(module, x), rtol=1e-4, atol=1e-4)
    assert [type(m) for m in one.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)] == [
        nn.Conv2d
    ]


def test_branches_are_those_of_repvgg() -> None:
    """A 3x3, a 1x1 and the input, each with a norm, written here in torch's own functions."""
    module = module_of(out=8, kernel=3, branches=1)
    (branches,) = [m for m in module.modules() if isinstance(m, Branches)]
    state, x = branches.state_dict(), torch.from_numpy(images(2, 8, 9, 7))

    def norm(name: str, y: torch.Tensor) -> torch.Tensor:
        keys = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(y, *(state[f"parts.{name}.norm.{key}"] for key in keys))

    full = norm("full0", F.conv2d(x, state["parts.full0.conv.weight"], padding=1))
    point = norm("point", F.conv2d(x, state["parts.point.conv.weight"]))
    expected = F.relu(full + point + norm("identity", x))
    torch.testing.assert_close(torch.from_numpy(run_torch(module, x.numpy())), expected)


def test_what_is_counted_timed_and_exported_is_one_convolution() -> None:
    plain = block_graph(Block("conv", out=16, norm=False, bias=True), (8, 9, 9))
    graph = block_graph(Block("repvgg", out=16), (8, 9, 9))

    assert graph_cost(graph) == graph_cost(plain)
    assert kernels(graph) == kernels(plain)


def test_training_changes_every_branch() -> None:
    module = module_of(out=8, kernel=3, branches=2).train()
    module(torch.from_numpy(images(4, 8, 9, 7))).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in module.parameters())


def test_a_trained_network_is_exported_as_it_computes_and_stays_as_it_is() -> None:
    rows = (Block("mobileone", out=16, stride=2), Block("repvgg", out=16))
    arch = Architecture(12, (), (rows,), (Block("gap"), Block("linear", out=5)))
    module, x = randomise(build(arch)), images(1, *arch.input_shape)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    exported = run_onnx(to_onnx(arch, module), x)

    torch.testing.assert_close(exported, run_torch(module, x), rtol=1e-4, atol=1e-4)
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all((after[k] == v).all() for k, v in before.items())


def test_a_module_without_branches_is_not_copied() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1))
    assert deployed(module) is module


@pytest.mark.parametrize("settings", [{"kernel": 4}, {"kernel": 3, "padding": 0}])
def test_a_kernel_that_has_no_middle_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ShapeError, match="branches need an odd kernel and its half as padding"):
        Builder((8, 9, 9)).conv(0, 8, branches=1, **settings)  # type: ignore[arg-type]
