"""Weights as training scripts save them, and what a network from a file can be used for."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import Tensor, nn

import nas
from nas.architecture import Architecture
from nas.blocks import Block
from nas.formats.onnx_model import to_onnx
from nas.formats.weights import load_weights
from nas.support.errors import NasError, NasWarning
from nas.testing.numerics import images, randomise
from nas.torch_module import build

NET = Architecture(8, (Block("conv", out=4, act=None),), (), (Block("gap"), Block("linear", out=3)))


class Foreign(nn.Module):
    """`NET` by another hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.bn(self.conv(x)).mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def foreign() -> Foreign:
    return randomise(Foreign()).eval()


STATES: dict[str, Any] = {
    "torch's ImageNet example": lambda s: {"best_acc1": torch.tensor(71.5), "state_dict": s},
    "averaged": lambda s: {"n_averaged": torch.tensor(3)} | {f"module.{k}": s[k] for k in s},
    "under a name of one's own": lambda s: {"config": {"lr": 0.1}, "weights": s},
    "half": lambda s: {k: v.half() if v.is_floating_point() else v for k, v in s.items()},
}


@pytest.mark.parametrize("kind", STATES)
def test_what_training_scripts_save(kind: str, foreign: Foreign, tmp_path: Path) -> None:
    torch.save(STATES[kind](foreign.state_dict()), tmp_path / "w.pth")
    x = torch.from_numpy(images(2, 3, 8, 8))
    with torch.no_grad():
        torch.testing.assert_close(
            load_weights(NET, tmp_path / "w.pth")(x),
            foreign(x),
            rtol=0,
            atol=1e-2 if kind == "half" else 1e-5,
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v * float("nan"), "conv has values that are no finite numbers"),
        (lambda v: v.to_sparse(), r"conv.weight \(4, 3, 3, 3\) is no weight of a known layer"),
        (lambda v: v.to("meta"), r"conv.weight \(4, 3, 3, 3\) is no weight of a known layer"),
    ],
)
def test_tensors_without_numbers(
    change: Any, message: str, foreign: Foreign, tmp_path: Path
) -> None:
    state = foreign.state_dict()
    torch.save(state | {"conv.weight": change(state["conv.weight"])}, tmp_path / "w.pth")
    with pytest.raises(NasError, match=message):
        load_weights(NET, tmp_path / "w.pth")


def test_an_onnx_file_of_half_precision_whose_equal_weights_are_kept_once(
    foreign: Foreign, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As torch's exporter writes them; weights are inputs too, of which onnxruntime would warn."""
    state = {k: v.numpy().astype(np.float16) for k, v in foreign.state_dict().items()}
    state["bn.running_var"] = state["bn.running_mean"] = np.abs(state["bn.running_mean"]) + 0.5
    nodes = [
        helper.make_node("Identity", ["bn.running_var"], ["mean"]),
        helper.make_node("Conv", ["x", "conv.weight"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node(
            "BatchNormalization", ["a", "bn.weight", "bn.bias", "mean", "bn.running_var"], ["b"]
        ),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "fc.weight", "fc.bias"], ["y"], transB=1),
    ]
    half = TensorProto.FLOAT16
    names = [k for k in state if "tracked" not in k and k != "bn.running_mean"]
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info("x", half, [1, 3, 8, 8]),
            *(helper.make_tensor_value_info(k, half, state[k].shape) for k in names),
        ],
        [helper.make_tensor_value_info("y", half, [1, 3])],
        [numpy_helper.from_array(state[k], k) for k in names],
    )
    opsets = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=7), tmp_path / "w.onnx")
    module = load_weights(NET, tmp_path / "w.onnx")  # which compares with onnxruntime
    norm = module.get_submodule("stem.0.conv.norm")
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    np.testing.assert_array_equal(norm.running_mean, state["bn.running_mean"].astype(np.float32))
    assert capfd.readouterr().err == ""


def test_a_network_with_folded_norms_is_made_to_be_trained(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(NET.to_json())
    source = randomise(build(NET, seed=0))
    onnx.save(to_onnx(NET, source), str(tmp_path / "w.onnx"))
    names, x = (str(tmp_path / "net.json"), tmp_path / "w.onnx"), images(64, 3, 8, 8)
    some = torch.from_numpy(x)
    with pytest.warns(NasWarning, match="norms are folded into its layers"):
        nas.create_model(names[0], weights=names[1])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        net = nas.create_model(names[0], weights=names[1], images=some)
        for training in (False, True):
            torch.testing.assert_close(
                net.train(training)(some), source(some), rtol=1e-3, atol=1e-4
            )
    with pytest.raises(NasError, match=r"images of shape \(64, 3, 4, 8\): the network takes"):
        nas.create_model(names[0], weights=names[1], images=some[:, :, :4])


def normed(i: int, o: int, kernel: int, groups: int = 1) -> nn.ModuleDict:
    conv = nn.Conv2d(i, o, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.ModuleDict({"conv": conv, "bn": nn.BatchNorm2d(o)})


class Branched(nn.Module):
    """A block of RepVGG (one full branch) or MobileOne under the names of their repositories."""

    def __init__(self, i: int, o: int, full: int, kernel: int = 3, groups: int = 1) -> None:
        super().__init__()
        self.rbr_skip = nn.BatchNorm2d(o) if i == o else None
        self.rbr_conv = nn.ModuleList(normed(i, o, kernel, groups) for _ in range(full))
        self.rbr_scale = normed(i, o, 1, groups) if kernel > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(()) if self.rbr_skip is None else self.rbr_skip(x)
        for part in (*self.rbr_conv, self.rbr_scale):
            total = total if part is None else total + part["bn"](part["conv"](x))
        return total.relu()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_branches_under_their_own_names(suffix: str, tmp_path: Path) -> None:
    arch = Architecture(
        8,
        (Block("repvgg", out=4),),
        ((Block("repvgg", out=4), Block("repvgg", out=4), Block("mobileone", out=4, branches=2)),),
        (Block("gap"), Block("linear", out=3)),
    )
    rows = [Branched(3, 4, 1), Branched(4, 4, 1), Branched(4, 4, 1)]
    rows += [Branched(4, 4, 2, 3, 4), Branched(4, 4, 2, 1)]
    body = nn.ModuleDict({"stages": nn.Sequential(*rows), "linear": nn.Linear(4, 3)})
    randomise(body).eval()
    if suffix == ".pth":
        torch.save(body.state_dict(), tmp_path / "w.pth")
    else:
        save_file(body.state_dict(), tmp_path / "w.safetensors")
    x = torch.from_numpy(images(2, 3, 8, 8))
    with torch.no_grad():
        expected = body["linear"](body["stages"](x).mean((2, 3)))
        made = load_weights(arch, tmp_path / f"w{suffix}")(x)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)


def test_a_linear_layer_behind_a_map_as_a_convolution(tmp_path: Path) -> None:
    """As timm writes VGG's."""
    arch = Architecture(
        4, (Block("conv", out=4),), (), (Block("linear", out=6, act="relu"), Block("linear", out=3))
    )
    body = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 4),
        nn.ReLU(),
        nn.Conv2d(6, 3, 1),
    )
    randomise(body).eval()
    torch.save(body.state_dict(), tmp_path / "w.pth")
    x = torch.from_numpy(images(2, 3, 4, 4))
    with torch.no_grad():
        made = load_weights(arch, tmp_path / "w.pth")(x)
        torch.testing.assert_close(made, body(x).flatten(1), rtol=1e-4, atol=1e-5)
