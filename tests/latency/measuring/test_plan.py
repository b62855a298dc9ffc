"""The plan of a measurement: what it is made of, and that every subject of it runs."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from nas.blocks import Block
from nas.costs import cost
from nas.latency.measuring.bundle import model_files
from nas.latency.measuring.plan import NETWORKS, SIZES, in_context, subjects
from nas.latency.runner.batches import grow_weights
from nas.latency.table import Subject
from nas.references import reference, reference_names


@pytest.fixture(scope="module")
def plan() -> list[Subject]:
    return list(subjects())


def test_it_repeats(plan: list[Subject]) -> None:
    assert list(islice(subjects(), 60)) == plan[:60]


def test_it_is_a_mix_that_never_exceeds_the_networks(plan: list[Subject]) -> None:
    kinds = Counter(subject.kind for subject in plan)
    assert 0.99 * NETWORKS <= kinds["network"] <= NETWORKS
    assert kinds["network"] / len(plan) == pytest.approx(0.45, abs=0.01)
    assert kinds["kernel"] > 20
    early = Counter(subject.kind for subject in plan[:100])
    assert early["network"] / 100 == pytest.approx(0.45, abs=0.05)


def test_a_quarter_of_its_networks_are_published_ones_of_every_size(plan: list[Subject]) -> None:
    published = {
        Subject.network(reference(name, resolution=size)): (name, size)
        for name in reference_names()
        for size in SIZES
    }
    found = [published[s] for s in plan[5:] if s in published]
    assert len(found) / NETWORKS == pytest.approx(0.25, abs=0.01)
    assert len({name for name, _ in found}) > 40
    assert {size for _, size in found} == set(SIZES)
    assert all(cost(subject.architecture()).macs for subject in plan if subject.kind == "network")


def test_its_blocks_are_of_every_family(plan: list[Subject]) -> None:
    rows = [json.loads(s.spec)["stages"][0][0] for s in plan if s.kind == "block"]
    families = {"fire", "squeezenext", "ghost", "shuffle", "shuffle_v1", "depthwise", "inverted"}
    assert families | {"conv", "maxpool", "dense", "basic"} <= {row["kind"] for row in rows}
    operations = {k.op for s in plan[:600] if s.kind == "block" for k in s.kernels()}
    assert {"grouped", "multiply", "shuffle", "concat"} <= operations


def test_its_linear_layers_are_as_large_as_published_ones(plan: list[Subject]) -> None:
    sizes = [k.weights for s in plan if s.kind == "kernel" for k in s.kernels()]
    assert max(sizes) >= 4096 * 4096


def test_a_block_stands_between_a_1x1_convolution_and_global_pooling() -> None:
    subject = in_context(Block("fire", out=32, squeeze=8), (16, 9, 9))
    assert subject.kind == "block"
    arch = subject.architecture()
    first, *_, last = arch.graph().nodes[1:]
    assert (arch.input_shape, first.op, first.kernel) == ((3, 9, 9), "conv", (1, 1))
    assert (first.shape, last.op, last.shape) == ((16, 9, 9), "gap", (32, 1, 1))


@pytest.mark.parametrize(
    ("precision", "provider"), [("fp32", "cpu"), ("int8", "cpu"), ("int8", "tensorrt")]
)
def test_every_model_runs(
    plan: list[Subject], precision: str, provider: str, tmp_path: Path
) -> None:
    for entry in model_files(tmp_path, plan[5:45], precision, provider):
        for name, size in entry.weights.items():
            grow_weights(tmp_path / name, size)
        session = onnxruntime.InferenceSession(str(tmp_path / entry.file))
        expected = Subject(entry.kind, entry.spec).graph().output_shape
        assert session.get_outputs()[0].shape == [1, expected[0] * expected[1] * expected[2]]


def test_int8_for_tensorrt_has_every_zero_at_0(plan: list[Subject], tmp_path: Path) -> None:
    zeros: dict[str, set[int]] = {"cpu": set(), "tensorrt": set()}
    for provider, seen in zeros.items():
        for entry in model_files(tmp_path, plan[5:25], "int8", provider):
            model = onnx.load(tmp_path / entry.file, load_external_data=False)
            points = {n.input[2] for n in model.graph.node if n.op_type == "QuantizeLinear"}
            for tensor in model.graph.initializer:
                if tensor.name in points:
                    values = numpy_helper.to_array(tensor)
                    assert (values.dtype == np.int8) == (provider == "tensorrt")
                    seen.update(values.ravel().tolist())
    assert zeros["tensorrt"] == {0}
    assert zeros["cpu"] > {0}
