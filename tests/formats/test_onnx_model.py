"""The exported model computes what torch computes, with its norms folded."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from nas.architecture import Architecture
from nas.blocks import Block
from nas.costs import cost
from nas.formats.onnx_model import graph_to_onnx, to_onnx
from nas.graph import ACTIVATIONS, Builder
from nas.references import reference, reference_names
from nas.support.errors import NasError
from nas.testing.numerics import images, randomise, run_onnx, run_torch
from nas.torch_module import build

RESOLUTION = 64
TOO_SMALL_FOR = {"alexnet_caffe"}  # its last pooling has nothing to pool
SMALL = [
    name
    for name in reference_names()
    if name not in TOO_SMALL_FOR
    and cost(reference(name, classes=10, resolution=RESOLUTION)).params < 12e6
]


@pytest.mark.parametrize("name", SMALL)
def test_network_equals_torch(name: str) -> None:
    arch = reference(name, classes=10, resolution=RESOLUTION)
    module = randomise(build(arch, seed=0))
    model = to_onnx(arch, module, dynamic_batch=True, metadata={"note": "x"})
    onnx.checker.check_model(model, full_check=True)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}

    # Against torch in double precision: its float32 is off by 3e-4 on some processors.
    x = images(3, 3, RESOLUTION, RESOLUTION)
    expected = run_torch(module.double(), x.astype(np.float64))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(run_onnx(model, x) / scale, expected / scale, atol=1e-4)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * scale

    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert Architecture.from_json(metadata["architecture"]) == arch
    assert metadata["note"] == "x"


ARCH = Architecture(
    resolution=20,
    stem=(Block("conv", out=8, stride=2, act="hswish"),),
    stages=((Block("ghost", out=12, hidden=20, se=4), Block("shuffle", out=12)),),
    head=(Block("gap"), Block("linear", out=5)),
    channels=1,
)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString())


def test_inputs_and_outputs_are_named_and_typed() -> None:
    fixed, dynamic = session(to_onnx(ARCH)), session(to_onnx(ARCH, dynamic_batch=True))
    for model, batch in ((fixed, 1), (dynamic, "batch")):
        (given,), (result,) = model.get_inputs(), model.get_outputs()
        assert (given.name, given.type, given.shape) == (
            "image",
            "tensor(float)",
            [batch, 1, 20, 20],
        )
        assert (result.name, result.type, result.shape) == ("logits", "tensor(float)", [batch, 5])


def test_dynamic_batch_gives_each_image_its_own_logits() -> None:
    model = to_onnx(ARCH, randomise(build(ARCH, seed=0)), dynamic_batch=True)
    x = images(4, 1, 20, 20)
    one_by_one = np.concatenate([run_onnx(model, x[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(run_onnx(model, x), one_by_one, atol=1e-5)


def test_without_a_module_the_weights_are_random_and_reproducible() -> None:
    first, again, other = to_onnx(ARCH), to_onnx(ARCH), to_onnx(ARCH, seed=1)
    onnx.checker.check_model(first, full_check=True)
    assert first.SerializeToString() == again.SerializeToString()
    a, b = (run_onnx(model, images(1, 1, 20, 20)) for model in (first, other))
    assert all(np.isfinite(x).all() and x.std() > 0 for x in (a, b))
    assert not np.allclose(a, b)


def test_random_weights_have_the_nodes_of_trained_ones() -> None:
    trained, random = to_onnx(ARCH, build(ARCH, seed=0)), to_onnx(ARCH)
    assert [n.op_type for n in trained.graph.node] == [n.op_type for n in random.graph.node]
    assert [(w.name, list(w.dims)) for w in trained.graph.initializer] == [
        (w.name, list(w.dims)) for w in random.graph.initializer
    ]


def test_export_leaves_the_module_as_it_was() -> None:
    module = build(ARCH, seed=0).train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    to_onnx(ARCH, module)
    assert module.training
    assert all((v == before[k]).all() for k, v in module.state_dict().items())


@pytest.mark.parametrize("act", [None, *ACTIVATIONS])
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_norm_is_folded_whatever_the_bias(norm: bool, bias: bool, act: str | None) -> None:
    row = Block("conv", out=6, norm=norm, bias=bias, act=act)
    arch = Architecture(6, (row,), (), ())
    module = randomise(build(arch, seed=0))
    x = images(1, 3, 6, 6)
    np.testing.assert_allclose(
        run_onnx(to_onnx(arch, module), x), run_torch(module, x), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("kernel", [2, 3])
def test_rounded_up_pooling_has_the_inferred_size(kernel: int) -> None:
    for stride, size, padding in product((2, 3), range(3, 9), (0, 1)):
        net = Builder((1, size, 8))
        pooled = net.maxpool(0, kernel=kernel, stride=stride, padding=padding, ceil=True)
        x = images(1, 1, size, 8)
        result = run_onnx(graph_to_onnx(net.finish(pooled)), x)
        assert result.size == np.prod(net.shape(pooled)), (kernel, stride, size, padding)
        assert np.isin(result, x).all()


def test_every_opset_computes_the_same_and_the_lowest_is_written() -> None:
    module = randomise(build(ARCH, seed=0))
    x = images(1, 1, 20, 20)
    expected = run_torch(module, x)
    for opset in (13, 14, 17, 20):
        model = to_onnx(ARCH, module, opset=opset)
        onnx.checker.check_model(model, full_check=True)
        assert model.opset_import[0].version == opset
        np.testing.assert_allclose(run_onnx(model, x), expected, rtol=1e-4, atol=1e-5)
    lowest = to_onnx(ARCH, module)
    assert (lowest.opset_import[0].version, lowest.ir_version) == (13, 7)


@pytest.mark.parametrize("opset", [12, onnx.defs.onnx_opset_version() + 1])
def test_an_opset_that_cannot_be_written_is_refused(opset: int) -> None:
    with pytest.raises(NasError, match=rf"opset must be a whole number of 13 to \d+, not {opset}$"):
        to_onnx(ARCH, opset=opset)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            {"head": (Block("gap"), Block("linear", out=7))},
            r"head\.1\.\S+\.weight is of shape \(7, 12\) in the module, but of \(5, 12\)",
        ),
        ({"stages": ()}, r"no network of this architecture: it has no stages\.0\.0"),
        (
            {"stages": (*ARCH.stages, (Block("shuffle", out=12),))},
            r"no network of this architecture: it has stages\.1\.0",
        ),
    ],
)
def test_a_module_of_another_network_is_refused(other: dict[str, Any], said: str) -> None:
    with pytest.raises(NasError, match=said):
        to_onnx(ARCH, build(replace(ARCH, **other), seed=0))
